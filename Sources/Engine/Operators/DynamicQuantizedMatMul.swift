import CKernels
import GraphIR
import Tensors

/// `ai.adze.DynamicQuantizedMatMul`: float32 x, or each request's rows of it, get a uint8 scale and zero point as
/// `DynamicQuantizeLinear` chooses them, or each row its own scale; the product is exact in int32 and scaled to float32.
/// Rows are quantized by the product as it prepares them, so x is read twice at most and never stored as integers.
struct DynamicQuantizedMatMul: ShapedOperator {
  // x, w, w_scale, w_zero_point, bias
  fileprivate enum Input { static let (x, w, scale, zeroPoint, bias) = (0, 1, 2, 3, 4) }

  let isSigned: Bool
  let activation: Activation?
  /// The rows of each request have a scale and zero point of their own.
  let isPerRequest: Bool
  /// Every row has a scale of its own.
  private let rowScales: RowScales?
  private let packed: IntegerWeight

  init(_ source: OperatorSource) throws {
    isSigned = try source.element(Input.w, in: .eightBit) == .int8
    activation = try Activation(fusedInto: source.node)
    packed = IntegerWeight(source.options)
    isPerRequest = (source.node.attributes.int(FusedOperator.perRequest) ?? 0) != 0
    rowScales = RowScales(source.node)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try MatMulShape(try request.input(Input.x).shape, try request.input(Input.w).shape)
    let product = MatMulOperator.product(shape)
    if product.rows * product.columns == 0 || shape.pairs.isEmpty { return .nothing }
    guard let weight = request.weight(Input.w), product.batchOffsets.count == 1 else {
      throw OperatorFailure.unsupported("its weight must be one constant matrix")
    }
    let packing = IntegerPacking(product, isSigned: isSigned)
    let weights = Weights(
      form: try packed.form(packing, weight, rows: product.rows),
      zeroPoints: try zeroPoints(request), hasScalePerColumn: try request.input(Input.scale).elementCount > 1,
      hasBias: request.hasInput(Input.bias))
    if let rowScales {
      let start = (weights.form.threadScratch + 63) & ~63
      return Kernel(
        weights.form.name("gemm_i8_rows"),
        phases: [multiplication(product, weights, .byLargest(rowScales, start: start), request.threads)],
        threadScratch: start + product.rows * MemoryLayout<Float>.stride)
    }
    let name = weights.form.name("gemm_i8_dynamic")
    if product.rows == 1 {
      // One row's range is that of the tensor, whoever it belongs to.
      return Kernel(
        name, phases: [multiplication(product, weights, .byRow, request.threads)],
        threadScratch: weights.form.threadScratch)
    }
    if isPerRequest {
      let ranges = RequestRanges(rows: product.rows, depth: product.depth)
      return Kernel(
        name,
        phases: ranges.phases(input: Input.x, request.threads) + [
          multiplication(product, weights, .byRequest(ranges), request.threads)
        ], sharedScratch: ranges.byteCount, threadScratch: weights.form.threadScratch)
    }
    let split = WorkSplit(
      units: product.rows * product.depth, costPerUnit: 1, threads: request.threads)
    let bounds = PieceBounds(split: split, start: 0)
    return Kernel(
      name,
      phases: [
        bounds.phase(input: Input.x), multiplication(product, weights, .ofTensor(bounds), request.threads),
      ], sharedScratch: bounds.byteCount, threadScratch: weights.form.threadScratch)
  }

  private struct Weights {
    let form: IntegerWeightForm
    let zeroPoints: ZeroPoints?
    let hasScalePerColumn: Bool
    let hasBias: Bool
  }

  /// As int32, one for all columns or one for each.
  private struct ZeroPoints {
    let buffer: AlignedBuffer
    let stride: Int

    var values: UnsafePointer<Int32> {
      UnsafePointer(buffer.bytes.baseAddress!.assumingMemoryBound(to: Int32.self))
    }
  }

  /// nil when all are 0.
  private func zeroPoints(_ request: PrepareRequest) throws -> ZeroPoints? {
    guard let type = request.optionalInput(Input.zeroPoint) else { return nil }
    guard let tensor = request.weight(Input.zeroPoint) else {
      throw OperatorFailure.unsupported("zero points that are not constant")
    }
    let reader = try QuantizedElements(type.element)
    let values = tensor.withBytes { bytes in
      (0..<tensor.elementCount).map { reader.read(bytes.baseAddress!, $0) }
    }
    if values.allSatisfy({ $0 == 0 }) { return nil }
    let buffer = try AlignedBuffer(byteCount: values.count * MemoryLayout<Int32>.stride)
    buffer.bytes.bindMemory(to: Int32.self).baseAddress!.update(from: values, count: values.count)
    return ZeroPoints(buffer: buffer, stride: values.count > 1 ? 1 : 0)
  }

  /// Where a row's scale and zero point come from.
  private enum Ranges {
    case byRow
    case ofTensor(PieceBounds)
    case byRequest(RequestRanges)
    /// The scales of a tile's rows lie from `start` on in the scratch memory of its thread.
    case byLargest(RowScales, start: Int)
  }

  private func multiplication(
    _ product: MatrixProduct, _ weights: Weights, _ ranges: Ranges, _ threads: Int
  ) -> Kernel.Phase {
    let form = weights.form
    let grid = ProductGrid(
      rows: product.rows, panels: (product.columns - 1) / form.panelWidth + 1,
      depth: max(1, Int(Double(product.depth) * form.density)), batch: 1, threads: threads,
      rowTile: form.rowTile, panelWidth: form.panelWidth, rowCost: 8)
    let (isSigned, activation) = (isSigned, activation)
    return Kernel.Phase(pieces: grid.pieces) { operands, piece in
      let tile = grid.tile(piece)
      var gemm = adze_gemm_i8(
        rows: product.rows, columns: product.columns, depth: product.depth, aSigned: false, bSigned: isSigned,
        a: operands.rawInput(Input.x), b: form.packed.bytes.baseAddress!, c: operands.rawOutput(),
        output: ADZE_I8_OUTPUT_F32)
      gemm.b_scale = operands.input(Input.scale)
      gemm.b_scale_stride = weights.hasScalePerColumn ? 1 : 0
      if let zeroPoints = weights.zeroPoints {
        gemm.b_zero_point = zeroPoints.values
        gemm.b_zero_point_stride = zeroPoints.stride
      }
      gemm.epilogue = adze_epilogue_f32(activation)
      if weights.hasBias { gemm.epilogue.column_bias = operands.input(Input.bias) }
      gemm.a_source = ADZE_I8_A_F32
      func multiply() {
        form.multiply(&gemm, rows: tile.rows, panels: tile.panels, scratch: operands.threadScratch)
      }
      switch ranges {
      case .byRow:
        gemm.a_source = ADZE_I8_A_F32_ROWS
        multiply()
      case .ofTensor(let bounds):
        let range = bounds.range(operands)
        withUnsafePointer(to: range.scale) { scale in
          withUnsafePointer(to: range.zeroPoint) { zeroPoint in
            gemm.a_scale = scale
            gemm.a_zero_point = zeroPoint
            multiply()
          }
        }
      case .byRequest(let ranges):
        if ranges.areRows(operands) {
          gemm.a_source = ADZE_I8_A_F32_ROWS
        } else {
          gemm.a_scale = UnsafePointer(ranges.scales(operands))
          gemm.a_zero_point = UnsafePointer(ranges.zeroPoints(operands))
          (gemm.a_scale_stride, gemm.a_zero_point_stride) = (1, 1)
        }
        multiply()
      case .byLargest(let rule, let start):
        let a = operands.input(Input.x, as: Float.self) + tile.rows.lowerBound * product.depth
        let scales = (operands.threadScratch + start).assumingMemoryBound(to: Float.self)
        rule.find(scales, a, rows: tile.rows.count, depth: product.depth)
        // The tile as a matrix of its own, so that its first row has the first scale.
        gemm.m = tile.rows.count
        gemm.a = UnsafeRawPointer(a)
        gemm.c = UnsafeMutableRawPointer(
          operands.output(as: Float.self) + tile.rows.lowerBound * product.columns)
        gemm.a_scale = UnsafePointer(scales)
        gemm.a_scale_stride = 1
        withUnsafePointer(to: rule.zeroPoint) { zeroPoint in
          gemm.a_zero_point = zeroPoint
          form.multiply(
            &gemm, rows: 0..<tile.rows.count, panels: tile.panels, scratch: operands.threadScratch)
        }
      }
    }
  }
}

/// A scale and a zero point for each row, the same for all rows of a request, in the shared scratch memory.
private struct RequestRanges {
  let bounds: RowBounds

  init(rows: Int, depth: Int) { bounds = RowBounds(rows: rows, depth: depth, start: rows * 8) }

  var byteCount: Int { bounds.start + bounds.byteCount }

  func scales(_ operands: KernelOperands) -> UnsafeMutablePointer<Float> {
    operands.sharedScratch.assumingMemoryBound(to: Float.self)
  }

  func zeroPoints(_ operands: KernelOperands) -> UnsafeMutablePointer<Int32> {
    (operands.sharedScratch + bounds.rows * 4).assumingMemoryBound(to: Int32.self)
  }

  /// Every request is one row: then the product itself finds the ranges.
  func areRows(_ operands: KernelOperands) -> Bool { operands.requests == bounds.rows }

  /// Finds the bounds of the rows, then the ranges of the requests.
  func phases(input: Int, _ threads: Int) -> [Kernel.Phase] {
    let ranges = self
    let search = bounds.phase(input: input, threads)
    return [
      Kernel.Phase(pieces: search.pieces) { operands, piece in
        if !ranges.areRows(operands) { try search.body(operands, piece) }
      },
      Kernel.Phase(pieces: 1) { operands, _ in
        if !ranges.areRows(operands) { try ranges.choose(operands) }
      },
    ]
  }

  private func choose(_ operands: KernelOperands) throws {
    let rowsPerRequest = bounds.rows / operands.requests
    if rowsPerRequest * operands.requests != bounds.rows {
      throw OperatorFailure.invalid(
        "\(bounds.rows) rows are not those of \(operands.requests) equal requests")
    }
    let (scales, zeroPoints) = (scales(operands), zeroPoints(operands))
    for request in 0..<operands.requests {
      let rows = request * rowsPerRequest..<(request + 1) * rowsPerRequest
      let range = bounds.range(rows, operands)
      for row in rows { (scales[row], zeroPoints[row]) = (range.scale, range.zeroPoint) }
    }
  }
}
