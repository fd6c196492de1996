import CKernels
import GraphIR
import Tensors

/// `ai.adze.DynamicQuantizedMatMul`: float32 x, or each request's rows of it, get a uint8 scale and zero point as
/// `DynamicQuantizeLinear` chooses them; the product is exact in int32 and scaled to float32.
struct DynamicQuantizedMatMul: ShapedOperator {
  // x, w, w_scale, w_zero_point, bias
  private enum Input { static let (x, w, scale, zeroPoint, bias) = (0, 1, 2, 3, 4) }

  let isSigned: Bool
  let activation: Activation?
  /// The rows of each request have a scale and zero point of their own.
  let isPerRequest: Bool
  private let packed = PackedWeights()

  init(_ source: OperatorSource) throws {
    isSigned = try source.element(Input.w, in: .eightBit) == .int8
    activation = try Activation(fusedInto: source.node)
    isPerRequest = (source.node.attributes.int(FusedOperator.perRequest) ?? 0) != 0
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try MatMulShape(try request.input(Input.x).shape, try request.input(Input.w).shape)
    let product = MatMulOperator.product(shape)
    if product.rows * product.columns == 0 || shape.pairs.isEmpty { return .nothing }
    guard let weight = request.weight(Input.w), product.batchOffsets.count == 1 else {
      throw OperatorFailure.unsupported("its weight must be one constant matrix")
    }
    let weights = IntegerPacking(product, isSigned: isSigned)
    let buffer = try packed.get { try weights.packAll(weight) }
    let parameters = parameters(request)
    let layout = Layout(
      ranges: isPerRequest ? product.rows : 1, elementCount: product.rows * product.depth,
      start: parameters.byteCount)
    let multiplication = multiplication(product, parameters, weights, buffer, layout, request.threads)
    let prologue = try parameters.prologue()
    if isPerRequest {
      let bounds = RowBounds(rows: product.rows, depth: product.depth, start: layout.end)
      return Kernel(
        Kernels.name("gemm_i8_dynamic"),
        phases: [
          prologue, bounds.phase(input: Input.x, request.threads),
          requestQuantization(layout, bounds, request.threads), multiplication,
        ], sharedScratch: layout.end + bounds.byteCount)
    }
    let split = WorkSplit(units: layout.elementCount, costPerUnit: 1, threads: request.threads)
    let bounds = PieceBounds(split: split, start: layout.end)
    return Kernel(
      Kernels.name("gemm_i8_dynamic"),
      phases: [prologue, bounds.phase(input: Input.x), tensorQuantization(layout, bounds), multiplication],
      sharedScratch: layout.end + bounds.byteCount)
  }

  private func parameters(_ request: PrepareRequest) -> IntegerParameters {
    func source(_ input: Int) -> IntegerParameters.Source? {
      request.optionalInput(input).map { IntegerParameters.Source(input: input, type: $0) }
    }
    var parameters = IntegerParameters()
    parameters.bScale = source(Input.scale)
    parameters.bZeroPoint = source(Input.zeroPoint)
    parameters.bias = source(Input.bias)
    return parameters
  }

  /// Places in the shared scratch memory: for each range a zero point and a scale, then the quantized elements.
  private struct Layout {
    let ranges: Int
    let elementCount: Int
    let start: Int

    var data: Int { (start + ranges * 8 + 63) & ~63 }
    var end: Int { (data + elementCount + 127) & ~63 }
    /// From the value of one row to that of the next.
    var stride: Int { ranges > 1 ? 1 : 0 }

    func zeroPoints(_ operands: KernelOperands) -> UnsafeMutablePointer<Int32> {
      (operands.sharedScratch + start).assumingMemoryBound(to: Int32.self)
    }
    func scales(_ operands: KernelOperands) -> UnsafeMutablePointer<Float> {
      (operands.sharedScratch + start + ranges * 4).assumingMemoryBound(to: Float.self)
    }
    func elements(_ operands: KernelOperands) -> UnsafeMutablePointer<UInt8> {
      (operands.sharedScratch + data).assumingMemoryBound(to: UInt8.self)
    }
  }

  private func tensorQuantization(_ layout: Layout, _ bounds: PieceBounds) -> Kernel.Phase {
    let table = Kernels.current
    return Kernel.Phase(pieces: bounds.split.pieces) { operands, piece in
      let range = bounds.range(operands)
      if piece == 0 {
        layout.scales(operands)[0] = range.scale
        layout.zeroPoints(operands)[0] = range.zeroPoint
      }
      let elements = bounds.split.range(of: piece)
      table.quantize_u8(
        operands.input(Input.x) + elements.lowerBound, layout.elements(operands) + elements.lowerBound,
        elements.count, range.divisor, range.zeroPoint)
    }
  }

  private func requestQuantization(_ layout: Layout, _ bounds: RowBounds, _ threads: Int) -> Kernel.Phase {
    let table = Kernels.current
    let depth = bounds.depth
    let split = WorkSplit(units: bounds.rows, costPerUnit: depth / 4 + 8, threads: threads)
    return Kernel.Phase(pieces: split.pieces) { operands, piece in
      let rowsPerRequest = bounds.rows / operands.requests
      if rowsPerRequest * operands.requests != bounds.rows {
        throw OperatorFailure.invalid(
          "\(bounds.rows) rows are not those of \(operands.requests) equal requests")
      }
      var current = -1
      var range = DynamicRange(minimum: 0, maximum: 0)
      for row in split.range(of: piece) {
        if row / rowsPerRequest != current {
          current = row / rowsPerRequest
          range = bounds.range(current * rowsPerRequest..<(current + 1) * rowsPerRequest, operands)
        }
        layout.scales(operands)[row] = range.scale
        layout.zeroPoints(operands)[row] = range.zeroPoint
        let x: UnsafePointer<Float> = operands.input(Input.x) + row * depth
        table.quantize_u8(
          x, layout.elements(operands) + row * depth, depth, range.divisor, range.zeroPoint)
      }
    }
  }

  private func multiplication(
    _ product: MatrixProduct, _ parameters: IntegerParameters, _ weights: IntegerPacking,
    _ buffer: AlignedBuffer,
    _ layout: Layout, _ threads: Int
  ) -> Kernel.Phase {
    let table = Kernels.current
    let grid = ProductGrid(
      rows: product.rows, panels: weights.panels, depth: product.depth, batch: 1, threads: threads,
      rowTile: table.gemm_i8_rows, panelWidth: table.gemm_i8_panel, rowCost: 8)
    let (isSigned, activation) = (isSigned, activation)
    return Kernel.Phase(pieces: grid.pieces) { operands, piece in
      let tile = grid.tile(piece)
      var gemm = adze_gemm_i8(
        rows: product.rows, columns: product.columns, depth: product.depth, aSigned: false, bSigned: isSigned,
        a: layout.elements(operands), b: buffer.bytes.baseAddress!, c: operands.rawOutput(),
        output: ADZE_I8_OUTPUT_F32)
      parameters.apply(to: &gemm, operands)
      gemm.a_zero_point = UnsafePointer(layout.zeroPoints(operands))
      gemm.a_zero_point_stride = layout.stride
      gemm.a_scale = UnsafePointer(layout.scales(operands))
      gemm.a_scale_stride = layout.stride
      gemm.epilogue = adze_epilogue_f32(activation)
      gemm.epilogue.column_bias = parameters.preparedBias(operands)
      table.gemm_i8(
        &gemm, tile.rows.lowerBound, tile.rows.upperBound, tile.panels.lowerBound, tile.panels.upperBound)
    }
  }
}
