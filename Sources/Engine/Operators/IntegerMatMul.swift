import CKernels
import GraphIR
import Tensors

extension EngineTable {
  static let integerProductOperators: [OperatorEntry] = [
    OperatorEntry("MatMulInteger", types: .eightBit) { source in
      try IntegerMatMul(source, Roles(a: 0, b: 1, aZeroPoint: 2, bZeroPoint: 3), output: .integers)
    },
    OperatorEntry("QLinearMatMul", types: .eightBit, mixesFloats: true) { source in
      let roles = Roles(
        a: 0, b: 3, aZeroPoint: 2, bZeroPoint: 5, aScale: 1, bScale: 4, cScale: 6, cZeroPoint: 7)
      if let scale = source.element(1), [ElementType].halves.contains(scale) {
        return WidenedOperator(try IntegerMatMul(source.widened(), roles, output: .quantized))
      }
      return try IntegerMatMul(source, roles, output: .quantized)
    },
    OperatorEntry(FusedOperator.dynamicMatMul, types: .single, widensHalves: false) {
      try DynamicQuantizedMatMul($0)
    },
    OperatorEntry(FusedOperator.quantizedMatMul, types: .eightBit) { source in
      let roles = Roles(
        a: 0, b: 3, aZeroPoint: 2, bZeroPoint: 5, aScale: 1, bScale: 4, cScale: 7, cZeroPoint: 8, bias: 6)
      return try IntegerMatMul(
        source, roles, output: source.outputElement() == .float32 ? .floats : .quantized)
    },
  ]

  /// At which inputs the operands of an integer product are.
  struct Roles: Sendable {
    let a: Int
    let b: Int
    var aZeroPoint: Int
    var bZeroPoint: Int
    var aScale: Int?
    var bScale: Int?
    var cScale: Int?
    var cZeroPoint: Int?
    var bias: Int?
  }
}

/// `MatMulInteger`, `QLinearMatMul` and the engine's own product of quantized operands: exact in int32, then
/// scaled, offset and rounded in float as the output wants.
struct IntegerMatMul: ShapedOperator {
  enum Output { case integers, floats, quantized }

  let roles: EngineTable.Roles
  let output: Output
  let aSigned: Bool
  let bSigned: Bool
  let activation: Activation?
  private let packed: IntegerWeight

  init(_ source: OperatorSource, _ roles: EngineTable.Roles, output: Output) throws {
    self.roles = roles
    self.output = output
    packed = IntegerWeight(source.options)
    aSigned = try source.element(roles.a, in: .eightBit) == .int8
    bSigned = try source.element(roles.b, in: .eightBit) == .int8
    if let scale = roles.aScale { try source.element(scale, in: .single) }
    if output == .quantized, let element = source.outputElement(), ![ElementType].eightBit.contains(element) {
      throw OperatorFailure.type(element)
    }
    activation = try Activation(fusedInto: source.node)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try MatMulShape(try request.input(roles.a).shape, try request.input(roles.b).shape)
    if shape.rows * shape.columns * shape.pairs.count == 0 { return .nothing }
    let product = MatMulOperator.product(shape)
    var parameters = try parameters(request, product)
    try parameters.fill(request)
    return try kernel(request, product, parameters)
  }

  /// Values for each row only fit when the rows of all products are one tall matrix.
  private func parameters(_ request: PrepareRequest, _ product: MatrixProduct) throws -> IntegerParameters {
    func source(_ input: Int?, _ counts: [Int]) throws -> IntegerParameters.Source? {
      guard let input, let type = request.optionalInput(input) else { return nil }
      if !counts.contains(type.elementCount) {
        throw OperatorFailure.unsupported("scales and zero points of shape \(type.shape)")
      }
      return IntegerParameters.Source(input: input, type: type)
    }
    let rowCounts = product.batchOffsets.count == 1 ? [1, product.rows] : [1]
    let columnCounts = product.bOffsets.count == 1 ? [1, product.columns] : [1]
    var parameters = IntegerParameters()
    parameters.aZeroPoint = try source(roles.aZeroPoint, rowCounts)
    parameters.bZeroPoint = try source(roles.bZeroPoint, columnCounts)
    parameters.aScale = try source(roles.aScale, rowCounts)
    parameters.bScale = try source(roles.bScale, columnCounts)
    parameters.cScale = try source(roles.cScale, [1])
    parameters.cZeroPoint = try source(roles.cZeroPoint, [1])
    parameters.bias = try source(roles.bias, [product.columns])
    return parameters
  }

  private func kernel(
    _ request: PrepareRequest, _ product: MatrixProduct, _ parameters: IntegerParameters
  ) throws -> Kernel {
    let weights = IntegerPacking(product, isSigned: bSigned)
    let scratch = parameters.byteCount
    if let weight = request.weight(roles.b) {
      let form = try packed.form(weights, weight, rows: product.rows * product.batchOffsets.count)
      return Kernel(
        form.kernelName,
        phases: try parameters.prologues() + [
          multiplication(request, product, parameters, weights, form, scratch)
        ], sharedScratch: scratch, threadScratch: form.threadScratch)
    }
    return Kernel(
      Kernels.name("gemm_i8"),
      phases: try parameters.prologues() + [
        weights.phase(input: roles.b, scratchOffset: scratch, request.threads),
        multiplication(request, product, parameters, weights, nil, scratch),
      ], sharedScratch: scratch + weights.byteCount)
  }

  private func multiplication(
    _ request: PrepareRequest, _ product: MatrixProduct, _ parameters: IntegerParameters,
    _ weights: IntegerPacking, _ form: IntegerWeightForm?, _ scratch: Int
  ) -> Kernel.Phase {
    let table = Kernels.current
    let panelWidth = form?.panelWidth ?? table.gemm_i8_panel
    let grid = ProductGrid(
      rows: product.rows, panels: (product.columns - 1) / panelWidth + 1,
      depth: max(1, Int(Double(product.depth) * (form?.density ?? 1))), batch: product.batchOffsets.count,
      threads: request.threads, rowTile: form?.rowTile ?? table.gemm_i8_rows, panelWidth: panelWidth)
    let (aSigned, bSigned, roles) = (aSigned, bSigned, roles)
    let format = outputFormat(request)
    let activation = activation
    return Kernel.Phase(pieces: grid.pieces) { operands, piece in
      let tile = grid.tile(piece)
      let offsets = product.batchOffsets[tile.batch]
      let b = UnsafeRawPointer(form?.packed.bytes.baseAddress ?? operands.sharedScratch + scratch)
      var gemm = adze_gemm_i8(
        rows: product.rows, columns: product.columns, depth: product.depth, aSigned: aSigned,
        bSigned: bSigned,
        a: operands.rawInput(roles.a) + offsets.a, b: b + product.bIndex[tile.batch] * weights.matrixBytes,
        c: operands.rawOutput() + offsets.c * format.width, output: format.kind)
      gemm.epilogue = parameters.epilogue(activation, operands)
      gemm.epilogue.column_bias = parameters.preparedBias(operands)
      gemm.column_offset = parameters.offsets(operands)
      parameters.apply(to: &gemm, operands)
      if let form {
        form.multiply(&gemm, rows: tile.rows, panels: tile.panels, scratch: operands.threadScratch)
      } else {
        table.gemm_i8(
          &gemm, tile.rows.lowerBound, tile.rows.upperBound, tile.panels.lowerBound, tile.panels.upperBound)
      }
    }
  }

  private func outputFormat(_ request: PrepareRequest) -> (kind: adze_i8_output, width: Int) {
    switch output {
    case .integers: (ADZE_I8_OUTPUT_I32, 4)
    case .floats: (ADZE_I8_OUTPUT_F32, 4)
    case .quantized: (request.outputs[0]?.element == .int8 ? ADZE_I8_OUTPUT_S8 : ADZE_I8_OUTPUT_U8, 1)
    }
  }
}

/// Packs the matrices of B for the 8-bit product.
struct IntegerPacking {
  let product: MatrixProduct
  let isSigned: Bool
  let panels: Int
  /// Bytes of one packed matrix, a multiple of 4.
  let matrixBytes: Int

  init(_ product: MatrixProduct, isSigned: Bool) {
    self.product = product
    self.isSigned = isSigned
    panels = (product.columns - 1) / Kernels.current.gemm_i8_panel + 1
    matrixBytes = (adze_gemm_i8_packed_bytes(Kernels.table, product.depth, product.columns) + 63) & ~63
  }

  var byteCount: Int { matrixBytes * product.bOffsets.count }

  private func pack(_ b: UnsafeRawPointer, _ packed: UnsafeMutableRawPointer, _ panels: Range<Int>) {
    Kernels.current.pack_b_i8(
      b, isSigned, product.columns, 1, product.depth, product.columns, packed, panels.lowerBound,
      panels.upperBound)
  }

  func packAll(_ weight: Tensor) throws -> AlignedBuffer {
    let buffer = try AlignedBuffer(byteCount: byteCount)
    weight.withBytes { bytes in
      for (index, offset) in product.bOffsets.enumerated() {
        pack(bytes.baseAddress! + offset, buffer.bytes.baseAddress! + index * matrixBytes, 0..<panels)
      }
    }
    return buffer
  }

  func phase(input: Int, scratchOffset: Int, _ threads: Int) -> Kernel.Phase {
    let split = WorkSplit(
      units: panels, costPerUnit: product.depth * Kernels.current.gemm_i8_panel / 8, threads: threads)
    let packing = self
    return Kernel.Phase(pieces: split.pieces * product.bOffsets.count) { operands, piece in
      let (matrix, part) = piece.quotientAndRemainder(dividingBy: split.pieces)
      packing.pack(
        operands.rawInput(input) + packing.product.bOffsets[matrix],
        operands.sharedScratch + scratchOffset + matrix * packing.matrixBytes, split.range(of: part))
    }
  }
}
