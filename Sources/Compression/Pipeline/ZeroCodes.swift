import GraphIR
import Tensors

/// Which of a constant's elements stand for zero.
struct ZeroCodes {
  private var zeroPoint: Tensor?
  /// The numbers that codes stand for, in place of a zero point.
  private var levels: [Float]?
  private var axis = 1
  private var block = 0

  /// Elements that are zero themselves.
  init() {}

  /// - Parameters:
  ///   - zeroPoint: nil for zero; one for all codes, for each place on an axis, or for each block.
  ///   - attributes: those of DequantizeLinear.
  init(zeroPoint: Tensor?, _ attributes: Attributes) {
    self.zeroPoint = zeroPoint
    axis = attributes.int("axis") ?? 1
    block = attributes.int("block_size") ?? 0
  }

  init(levels: [Float]) { self.levels = levels }

  func count(in tensor: Tensor) -> Int {
    if let levels {
      return tensor.integerCodes?.count { levels.indices.contains(Int($0)) && levels[Int($0)] == 0 } ?? 0
    }
    if tensor.type == .float32 {
      return tensor.withElements(Float.self) { $0.reduce(0) { $0 + ($1 == 0 ? 1 : 0) } }
    }
    if tensor.type.bitWidth < 8 || !(zeroPoint?.elementCount ?? 0 <= 1) { return countCodes(in: tensor) }
    let zero: UInt8 = zeroPoint.map { $0.withBytes { $0.first ?? 0 } } ?? 0
    let width = tensor.type.bitWidth / 8
    return tensor.withBytes { bytes in
      var zeros = 0
      for start in stride(from: 0, to: bytes.count, by: width) {
        let isZero = bytes[start] == zero && (1..<width).allSatisfy { bytes[start + $0] == 0 }
        zeros += isZero ? 1 : 0
      }
      return zeros
    }
  }

  /// Codes of less than a byte, or with several zero points.
  private func countCodes(in tensor: Tensor) -> Int {
    guard let codes = tensor.integerCodes else { return 0 }
    guard let zeroPoint, let points = zeroPoint.integerCodes, !points.isEmpty else {
      return codes.count { $0 == 0 }
    }
    if points.count == 1 { return codes.count { $0 == points[0] } }
    guard let place = places(zeroPoint, in: tensor.shape) else { return 0 }
    return codes.indices.count { codes[$0] == points[place($0)] }
  }

  /// The zero point of an element; nil where the tensors do not fit each other.
  private func places(_ zeroPoint: Tensor, in shape: Shape) -> ((Int) -> Int)? {
    let axis = axis < 0 ? axis + shape.rank : axis
    guard shape.dimensions.indices.contains(axis) else { return nil }
    if block == 0 {
      guard zeroPoint.elementCount == shape[axis] else { return nil }
      let walk = ChannelWalk(shape, axis: axis)
      return { walk.channel(of: $0) }
    }
    let (own, other) = (shape.strides, zeroPoint.shape.strides)
    var extents = shape.dimensions
    extents[axis] = ScaleGroups.blocks(block).blocks(depth: extents[axis])
    guard extents == zeroPoint.shape.dimensions else { return nil }
    return { element in
      extents.indices.reduce(0) { place, dimension in
        let coordinate = element / own[dimension] % shape[dimension]
        return place + (dimension == axis ? coordinate / block : coordinate) * other[dimension]
      }
    }
  }
}
