import CKernels
import GraphIR
import Tensors

/// `ai.adze.DynamicQuantizedMatMul`: each row of float32 x gets its own uint8 scale and zero point, as
/// `DynamicQuantizeLinear` would choose them for it; the product is exact in int32 and scaled to float32.
struct DynamicQuantizedMatMul: ShapedOperator {
  // x, w, w_scale, w_zero_point, bias
  private enum Input { static let (x, w, scale, zeroPoint, bias) = (0, 1, 2, 3, 4) }

  let isSigned: Bool
  let activation: Activation?
  private let packed = PackedWeights()

  init(_ source: OperatorSource) throws {
    isSigned = try source.element(Input.w, in: .eightBit) == .int8
    activation = try Activation(fusedInto: source.node)
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
    let layout = Layout(rows: product.rows, depth: product.depth, start: parameters.byteCount)
    return Kernel(
      Kernels.name("gemm_i8_dynamic"),
      phases: [
        try parameters.prologue(), quantization(layout, request.threads),
        multiplication(product, parameters, weights, buffer, layout, request.threads),
      ], sharedScratch: layout.end)
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

  /// Places in the shared scratch memory: for each row a zero point and a scale, then the quantized rows.
  private struct Layout {
    let rows: Int
    let depth: Int
    let start: Int

    var data: Int { (start + rows * 8 + 63) & ~63 }
    var end: Int { data + rows * depth + 64 }

    func zeroPoints(_ operands: KernelOperands) -> UnsafeMutablePointer<Int32> {
      (operands.sharedScratch + start).assumingMemoryBound(to: Int32.self)
    }
    func scales(_ operands: KernelOperands) -> UnsafeMutablePointer<Float> {
      (operands.sharedScratch + start + rows * 4).assumingMemoryBound(to: Float.self)
    }
    func elements(_ operands: KernelOperands) -> UnsafeMutablePointer<UInt8> {
      (operands.sharedScratch + data).assumingMemoryBound(to: UInt8.self)
    }
  }

  private func quantization(_ layout: Layout, _ threads: Int) -> Kernel.Phase {
    let table = Kernels.current
    let split = WorkSplit(units: layout.rows, costPerUnit: layout.depth / 4 + 8, threads: threads)
    return Kernel.Phase(pieces: split.pieces) { operands, piece in
      for row in split.range(of: piece) {
        let x: UnsafePointer<Float> = operands.input(Input.x) + row * layout.depth
        var (low, high): (Float, Float) = (0, 0)
        table.min_max_f32(x, layout.depth, &low, &high)
        let range = DynamicRange(minimum: low, maximum: high)
        layout.scales(operands)[row] = range.scale
        layout.zeroPoints(operands)[row] = range.zeroPoint
        table.quantize_u8(
          x, layout.elements(operands) + row * layout.depth, layout.depth, range.divisor, range.zeroPoint)
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
      rowTile: table.gemm_i8_rows, panelWidth: table.gemm_i8_panel)
    let (isSigned, activation) = (isSigned, activation)
    return Kernel.Phase(pieces: grid.pieces) { operands, piece in
      let tile = grid.tile(piece)
      var gemm = adze_gemm_i8(
        rows: product.rows, columns: product.columns, depth: product.depth, aSigned: false, bSigned: isSigned,
        a: layout.elements(operands), b: buffer.bytes.baseAddress!, c: operands.rawOutput(),
        output: ADZE_I8_OUTPUT_F32)
      parameters.apply(to: &gemm, operands)
      gemm.a_zero_point = UnsafePointer(layout.zeroPoints(operands))
      gemm.a_zero_point_stride = 1
      gemm.a_scale = UnsafePointer(layout.scales(operands))
      gemm.a_scale_stride = 1
      gemm.epilogue = adze_epilogue_f32(activation)
      gemm.epilogue.column_bias = parameters.preparedBias(operands)
      table.gemm_i8(
        &gemm, tile.rows.lowerBound, tile.rows.upperBound, tile.panels.lowerBound, tile.panels.upperBound)
    }
  }
}
