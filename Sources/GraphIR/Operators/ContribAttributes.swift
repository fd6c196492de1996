import Tensors

/// `com.microsoft.MatMulNBits`.
public struct MatMulNBitsAttributes: Sendable {
  /// K and N.
  public let depth: Int
  public let columns: Int
  public let bits: Int
  /// Rows of a column that share a scale.
  public let blockSize: Int
  /// What A may be rounded to: 0, 1: float32; 2: float16; 3: bfloat16; 4: int8.
  public let accuracyLevel: Int

  /// Blocks of one column.
  public var blocks: Int { (depth - 1) / blockSize + 1 }
  public var blockBytes: Int { blockSize * bits / 8 }
  /// Bytes that the packed zero points of one column take.
  public var zeroPointBytes: Int { (blocks * bits + 7) / 8 }

  public init(_ node: Node) throws(GraphError) {
    depth = try node.requiredInt("K")
    columns = try node.requiredInt("N")
    bits = try node.int("bits", default: 4)
    blockSize = try node.requiredInt("block_size")
    accuracyLevel = try node.int("accuracy_level", default: 0)
    // So that no product of them overflows.
    let limit = 1 << 28
    if depth < 1 || depth > limit || columns < 1 || columns > limit {
      throw node.error("attributes 'K' and 'N' are \(depth) and \(columns)")
    }
    if ![2, 4, 8].contains(bits) { throw node.error("weights of \(bits) bits are not supported") }
    if blockSize < 16 || blockSize > limit || blockSize & (blockSize - 1) != 0 {
      throw node.error("attribute 'block_size' is \(blockSize), no power of two from 16 on")
    }
    if try node.int("weight_prepacked", default: 0) != 0 {
      throw node.error("weights that are packed for another device are not supported")
    }
  }
}

/// `com.microsoft.GatherBlockQuantized`.
public struct GatherBlocksAttributes: Sendable {
  public let bits: Int
  public let blockSize: Int
  public let gatherAxis: Int
  public let quantizeAxis: Int

  public init(_ node: Node) throws(GraphError) {
    bits = try node.int("bits", default: 4)
    blockSize = try node.int("block_size", default: 128)
    gatherAxis = try node.int("gather_axis", default: 0)
    quantizeAxis = try node.int("quantize_axis", default: 1)
    if ![2, 4, 8].contains(bits) { throw node.error("data of \(bits) bits is not supported") }
    if blockSize < 16 || blockSize > 1 << 28 || blockSize & (blockSize - 1) != 0 {
      throw node.error("attribute 'block_size' is \(blockSize), no power of two from 16 on")
    }
  }

  /// What follows from the shape of the data.
  public struct Layout: Sendable {
    /// Extents of the data, counted in numbers and not in bytes.
    public let extents: [Int]
    public let scales: [Int]
    public let zeroPoints: [Int]
    public let gatherAxis: Int
    public let quantizeAxis: Int
    public let bits: Int
    /// Zero points are packed into whole bytes for each row.
    public let packsRows: Bool
  }

  public func layout(_ node: Node, _ data: Shape, _ element: ElementType) throws(GraphError) -> Layout {
    let rank = data.rank
    func axis(_ axis: Int) throws(GraphError) -> Int {
      let resolved = axis < 0 ? axis &+ rank : axis
      if resolved < 0 || resolved >= rank {
        throw node.error("axis \(axis) is out of range for rank \(rank)")
      }
      return resolved
    }
    let gather = try axis(gatherAxis)
    let quantize = try axis(quantizeAxis)
    var extents = data.dimensions
    var bits = self.bits
    let packsRows = element == .uint8
    if packsRows {
      if gather != 0 || (gather == quantize && bits < 8) {
        throw node.error("uint8 data is gathered on axis 0 and quantized on another one")
      }
      let (last, overflow) = extents[rank - 1].multipliedReportingOverflow(by: 8 / bits)
      if overflow { throw node.error("the data has too many elements") }
      extents[rank - 1] = last
    } else {
      bits = 4
    }
    var scales = extents
    scales[quantize] = extents[quantize] / blockSize + (extents[quantize] % blockSize == 0 ? 0 : 1)
    var zeroPoints = scales
    if packsRows {
      let perByte = 8 / bits
      zeroPoints[rank - 1] = scales[rank - 1] / perByte + (scales[rank - 1] % perByte == 0 ? 0 : 1)
    }
    return Layout(
      extents: extents, scales: scales, zeroPoints: zeroPoints, gatherAxis: gather, quantizeAxis: quantize,
      bits: bits, packsRows: packsRows)
  }
}

/// The distance of `com.microsoft.CDist`.
public enum DistanceMetric: String, CaseIterable, Sendable {
  case squaredEuclidean = "sqeuclidean"
  case euclidean

  public init(_ node: Node) throws(GraphError) {
    self = try node.choice("metric", default: .squaredEuclidean)
  }
}

/// `com.microsoft.CropAndResize`.
public struct CropAndResizeAttributes: Sendable {
  public enum Mode: String, CaseIterable, Sendable { case bilinear, nearest }

  public let mode: Mode
  /// The value of places outside the image.
  public let outside: Float

  public init(_ node: Node) throws(GraphError) {
    mode = try node.choice("mode", default: .bilinear)
    outside = try node.float("extrapolation_value", default: 0)
  }
}
