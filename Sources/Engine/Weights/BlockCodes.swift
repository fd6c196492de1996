import GraphIR
import Tensors

/// A constant matrix behind DequantizeLinear, in the layout of MatMulNBits: codes of 2, 4 or 8 bits in blocks along the
/// depth of a product.
struct BlockCodes {
  let depth: Int
  let columns: Int
  let bits: Int
  let block: Int
  /// `[columns, blocks, block * bits / 8]`, `[columns, blocks]`, `[columns, (blocks * bits + 7) / 8]`.
  let codes: Tensor
  let scales: Tensor
  /// nil: the middle of the range.
  let zeroPoints: Tensor?

  /// What DequantizeLinear reads, and how the product reads its result.
  struct Source {
    let elements: Tensor
    let scales: Tensor
    let zeroPoints: Tensor?
    let axis: Int
    let blockSize: Int
    /// `[columns, depth]` in place of `[depth, columns]`.
    let isTransposed: Bool
  }

  /// From this share of zeros on, float32 without them is the better form.
  private static let sparseShare = 0.6

  /// nil when the kernels for blocks cannot take the matrix, or should not as most of it is zero.
  init?(_ source: Source) throws {
    let type = source.elements.type
    // Eight bits with one scale for a column are as well served by float32, which is faster for many rows.
    if type.bitWidth == 8 && source.blockSize == 0 { return nil }
    guard [.int2, .uint2, .int4, .uint4, .int8, .uint8].contains(type), source.elements.shape.rank == 2,
      let grid = ScaleGrid(source), let values = source.scales.asFloats
    else { return nil }
    let reader = CodeReader(type)
    let elements = reader.codes(of: source.elements)
    let zeros = source.zeroPoints.map(reader.codes) ?? [reader.defaultZeroPoint]
    func zeroPoint(_ index: Int) -> UInt8 { zeros[zeros.count > 1 ? index : 0] }
    (depth, columns, bits, block) = (grid.depth, grid.columns, type.bitWidth, grid.kernelBlock)
    let blocks = (depth - 1) / block + 1
    let blockBytes = block * bits / 8
    var codes = [UInt8](repeating: 0, count: columns * blocks * blockBytes)
    var scales = [Float](repeating: 0, count: columns * blocks)
    var zeroPoints = [UInt8](repeating: 0, count: columns * ((blocks * bits + 7) / 8))
    let zeroPointBytes = (blocks * bits + 7) / 8
    var zeroCount = 0
    for column in 0..<columns {
      for index in 0..<blocks {
        let place = grid.place(k: index * block, column: column)
        let zero = zeroPoint(place)
        scales[column * blocks + index] = values[place]
        zeroPoints[column * zeroPointBytes + index * bits / 8] |= zero << UInt8(index * bits % 8)
        let start = (column * blocks + index) * blockBytes
        for k in index * block..<min(depth, (index + 1) * block) {
          let code = elements[source.isTransposed ? column * depth + k : k * columns + column]
          if code == zero { zeroCount += 1 }
          let bit = (k - index * block) * bits
          codes[start + bit / 8] |= code << UInt8(bit % 8)
        }
      }
    }
    if Double(zeroCount) > Self.sparseShare * Double(depth * columns) { return nil }
    self.codes = try Tensor(shape: [columns, blocks, blockBytes], codes)
    self.scales = try Tensor(shape: [columns, blocks], scales)
    let isCentered = zeros.allSatisfy { $0 == reader.middle }
    self.zeroPoints = isCentered ? nil : try Tensor(shape: [columns, zeroPointBytes], zeroPoints)
  }
}

/// Where the scale of an element is.
private struct ScaleGrid {
  let depth: Int
  let columns: Int
  /// Rows of a column that the kernel takes with one scale.
  let kernelBlock: Int
  private let kind: Kind

  private enum Kind {
    case single
    case perColumn
    case blocked(size: Int, isTransposed: Bool, blocks: Int)
  }

  /// nil when scales are not for columns or blocks of them.
  init?(_ source: BlockCodes.Source) {
    let shape = source.elements.shape
    let depth = shape[source.isTransposed ? 1 : 0]
    self.depth = depth
    columns = shape[source.isTransposed ? 0 : 1]
    let depthAxis = source.isTransposed ? 1 : 0
    let axis = source.axis < 0 ? source.axis + 2 : source.axis
    if depth == 0 || columns == 0 { return nil }
    let (whole, size) = (BlockWeight.blockSizes.first { $0 >= depth } ?? 256, source.blockSize)
    if source.scales.elementCount == 1 && size == 0 {
      (kind, kernelBlock) = (.single, whole)
    } else if size == 0 {
      guard axis == 1 - depthAxis, source.scales.elementCount == columns else { return nil }
      (kind, kernelBlock) = (.perColumn, whole)
    } else {
      let blocks = (depth - 1) / size + 1
      // A block of the file that is longer than the kernel's gives its scale to several.
      let divisor = BlockWeight.blockSizes.last { size % $0 == 0 }
      guard axis == depthAxis, source.scales.elementCount == blocks * columns,
        let block = blocks == 1 ? whole : divisor
      else { return nil }
      kernelBlock = block
      kind = .blocked(size: size, isTransposed: source.isTransposed, blocks: blocks)
    }
    if let zeroPoints = source.zeroPoints, zeroPoints.elementCount != source.scales.elementCount {
      return nil
    }
  }

  func place(k: Int, column: Int) -> Int {
    switch kind {
    case .single: 0
    case .perColumn: column
    case .blocked(let size, let isTransposed, let blocks):
      isTransposed ? column * blocks + k / size : k / size * columns + column
    }
  }
}

/// Reads elements as unsigned codes: signed ones plus half of the range.
private struct CodeReader {
  let type: ElementType
  let middle: UInt8

  init(_ type: ElementType) {
    self.type = type
    middle = 1 << UInt8(type.bitWidth - 1)
  }

  /// The code of 0.
  var defaultZeroPoint: UInt8 { type.isSignedInteger ? middle : 0 }

  func codes(of tensor: Tensor) -> [UInt8] {
    let (width, flip) = (type.bitWidth, defaultZeroPoint)
    return tensor.withBytes { bytes in
      if width == 8 { return bytes.map { $0 ^ flip } }
      return (0..<tensor.elementCount).map { PackedElements.code(bytes, at: $0, width: width) ^ flip }
    }
  }
}

extension Tensor {
  /// The elements of a float32, float16 or bfloat16 tensor; nil for other types.
  fileprivate var asFloats: [Float]? {
    if type == .float32 { return array(of: Float.self) }
    guard [ElementType].halves.contains(type) else { return nil }
    var floats = [Float](repeating: 0, count: elementCount)
    withBytes { source in
      floats.withUnsafeMutableBytes { target in
        guard let source = source.baseAddress, let target = target.baseAddress else { return }
        HalfConversion.widen(
          type, to: .float32, UnsafeMutableRawPointer(mutating: source), target, count: elementCount)
      }
    }
    return floats
  }
}
