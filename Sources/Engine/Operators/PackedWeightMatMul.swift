import CKernels
import GraphIR
import Tensors

/// `com.microsoft.MatMulNBits`: a product with a weight of 2, 4 or 8 bits, of which blocks of a column share scale and
/// zero point; `ai.adze.BlockMatMul`: with an activation. A constant weight goes to the kernels for blocks
/// (`BlockWeight`); of any other one a panel of columns at a time is dequantized into the thread's memory.
struct PackedWeightMatMul: ShapedOperator {
  // A, B, scales, zero_points, g_idx, bias
  fileprivate enum Input { static let (a, b, scales, zeroPoints, groups, bias) = (0, 1, 2, 3, 4, 5) }

  private static let int8Rows = 4

  let attributes: MatMulNBitsAttributes
  let activation: Activation?
  private let packed = PackedWeights()

  init(_ source: OperatorSource) throws {
    attributes = try MatMulNBitsAttributes(source.node)
    activation = try Activation(fusedInto: source.node)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let (depth, columns) = (attributes.depth, attributes.columns)
    let rows = try request.input(Input.a).elementCount / depth
    if rows == 0 { return .nothing }
    if let kernel = try blockKernel(request, rows: rows) { return kernel }
    let activation = activation
    let hasBias = request.hasInput(Input.bias)
    let column = PackedColumn(
      attributes: attributes, hasGroups: request.hasInput(Input.groups),
      zeroPoints: request.optionalInput(Input.zeroPoints)?.element)
    var scratch = ScratchLayout()
    let panel = Kernels.current.gemm_f32_panel
    let plain = try scratch.add(floats: panel, depth)
    let packed = try scratch.add(floats: panel, depth)
    let table = Kernels.current
    return Kernel(
      Kernels.name("gemm_f32_\(attributes.bits)bit"), pieces: (columns - 1) / panel + 1,
      threadScratch: scratch.byteCount
    ) { operands, piece in
      let first = piece * panel
      let width = min(panel, columns - first)
      let rowsOfB = (operands.threadScratch + plain).assumingMemoryBound(to: Float.self)
      let b = (operands.threadScratch + packed).assumingMemoryBound(to: Float.self)
      for index in 0..<width {
        try column.dequantize(operands, first + index, into: rowsOfB + index * depth)
      }
      table.pack_b_f32(rowsOfB, 1, depth, depth, width, b, 0, 1)
      var epilogue = adze_epilogue_f32(activation)
      if hasBias { epilogue.column_bias = operands.input(Input.bias, as: Float.self) + first }
      var gemm = adze_gemm_f32(
        m: rows, n: width, k: depth, a: operands.input(Input.a), a_row_stride: depth, a_column_stride: 1,
        b_packed: b, c: operands.output() + first, c_row_stride: columns, accumulates: false,
        epilogue: epilogue)
      table.gemm_f32(&gemm, 0, rows, 0, 1)
    }
  }
}

extension PackedWeightMatMul {
  /// nil when the weight is not constant or not in blocks of a size that the kernels know.
  private func blockKernel(_ request: PrepareRequest, rows: Int) throws -> Kernel? {
    guard BlockWeight.blockSizes.contains(attributes.blockSize), !request.hasInput(Input.groups),
      let codes = request.weight(Input.b), let scales = request.weight(Input.scales)
    else { return nil }
    var zeroPoints: Tensor?
    if let type = request.optionalInput(Input.zeroPoints) {
      guard type.element == .uint8, let constant = request.weight(Input.zeroPoints) else { return nil }
      zeroPoints = constant
    }
    let weight = BlockWeight(
      depth: attributes.depth, columns: attributes.columns, bits: attributes.bits,
      block: attributes.blockSize,
      hasZeroPoints: zeroPoints != nil, quantizesRows: attributes.accuracyLevel == Self.int8Rows)
    return weight.kernel(
      try packed.get { try weight.pack(codes, scales, zeroPoints) }, rows: rows,
      bias: request.hasInput(Input.bias) ? Input.bias : nil, activation: activation, threads: request.threads)
  }
}

/// Reads one column of the packed weight.
private struct PackedColumn {
  let attributes: MatMulNBitsAttributes
  /// Each row names its block instead of lying in it.
  let hasGroups: Bool
  /// nil: the middle of the range.
  let zeroPoints: ElementType?

  func dequantize(_ operands: KernelOperands, _ column: Int, into target: UnsafeMutablePointer<Float>) throws
  {
    let codes =
      operands.input(PackedWeightMatMul.Input.b, as: UInt8.self)
      + column * attributes.blocks * attributes.blockBytes
    if hasGroups { return try dequantizeByGroup(operands, column, codes, target) }
    for block in 0..<attributes.blocks {
      let start = block * attributes.blockSize
      let count = min(attributes.blockSize, attributes.depth - start)
      let (scale, zeroPoint) = parameters(operands, column, block)
      dequantize(
        codes + block * attributes.blockBytes, target + start, count: count, scale: scale,
        zeroPoint: zeroPoint)
    }
  }

  /// One block. A loop for each width, so that the compiler makes vectors of it.
  private func dequantize(
    _ codes: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<Float>, count: Int, scale: Float,
    zeroPoint: Float
  ) {
    switch attributes.bits {
    case 8:
      for index in 0..<count { target[index] = (Float(codes[index]) - zeroPoint) * scale }
    case 4:
      for pair in 0..<(count / 2) {
        let byte = codes[pair]
        target[2 * pair] = (Float(byte & 15) - zeroPoint) * scale
        target[2 * pair + 1] = (Float(byte >> 4) - zeroPoint) * scale
      }
      if count % 2 != 0 { target[count - 1] = (Float(codes[count / 2] & 15) - zeroPoint) * scale }
    default:
      for index in 0..<count {
        target[index] = (Float(BitCode.read(codes, index, bits: attributes.bits)) - zeroPoint) * scale
      }
    }
  }

  private func dequantizeByGroup(
    _ operands: KernelOperands, _ column: Int, _ codes: UnsafePointer<UInt8>,
    _ target: UnsafeMutablePointer<Float>
  ) throws {
    let groups: UnsafePointer<Int32> = operands.input(PackedWeightMatMul.Input.groups)
    for index in 0..<attributes.depth {
      let block = Int(groups[index])
      if block < 0 || block >= attributes.blocks {
        throw OperatorFailure.invalid("group \(block) is out of range for \(attributes.blocks) blocks")
      }
      let (scale, zeroPoint) = parameters(operands, column, block)
      target[index] = (Float(BitCode.read(codes, index, bits: attributes.bits)) - zeroPoint) * scale
    }
  }

  private func parameters(_ operands: KernelOperands, _ column: Int, _ block: Int) -> (Float, Float) {
    let place = column * attributes.blocks + block
    let scale = operands.input(PackedWeightMatMul.Input.scales, as: Float.self)[place]
    switch zeroPoints {
    case nil: return (scale, Float(1 << (attributes.bits - 1)))
    case .uint8:
      let bytes =
        operands.input(PackedWeightMatMul.Input.zeroPoints, as: UInt8.self) + column
        * attributes.zeroPointBytes
      return (scale, Float(BitCode.read(bytes, block, bits: attributes.bits)))
    default: return (scale, operands.input(PackedWeightMatMul.Input.zeroPoints, as: Float.self)[place])
    }
  }
}

/// Unsigned numbers of 2, 4 or 8 bits that lie one after the other, the first in a byte's lowest bits.
enum BitCode {
  @inline(__always)
  static func read(_ bytes: UnsafePointer<UInt8>, _ index: Int, bits: Int) -> Int {
    let perByte = 8 / bits
    return Int(bytes[index / perByte]) >> (index % perByte * bits) & ((1 << bits) - 1)
  }
}
