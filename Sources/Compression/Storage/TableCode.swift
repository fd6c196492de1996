import Tensors

/// A tensor with few distinct elements as a table of them and an index for every element.
struct TableCode: Sendable, Equatable {
  /// More distinct elements than this are not indexed by a byte.
  static let largestTable = 256

  /// uint4 up to 16 distinct elements, else uint8; in the tensor's shape.
  let indices: Tensor
  /// `[distinct]` of the tensor's type, in ascending order of their bits.
  let values: Tensor

  /// - Returns: nil when there are more than 256 distinct elements, or for types other than those of 1, 2 or 4 bytes.
  init?(_ tensor: Tensor) throws(TensorError) {
    guard let distinct = tensor.withBitPatterns({ $0.distinct(atMost: Self.largestTable) }) else {
      return nil
    }
    var places: [UInt32: UInt8] = [:]
    for (place, pattern) in distinct.enumerated() { places[pattern] = UInt8(place) }
    var indices = try Tensor(type: distinct.count <= 16 ? .uint4 : .uint8, shape: tensor.shape)
    let width = indices.type.bitWidth
    _ = tensor.withBitPatterns { patterns -> Void? in
      indices.withMutableBytes { bytes in
        for index in 0..<patterns.count {
          bytes.setCode(places[patterns[index]] ?? 0, at: index, width: width)
        }
      }
    }
    self.indices = indices
    values = try Tensor(patterns: distinct, tensor.type)
  }

  var byteCount: Int { indices.byteCount + values.byteCount }
}

extension BitPatterns {
  /// The distinct elements in ascending order; nil when they are more than `limit`.
  func distinct(atMost limit: Int) -> [UInt32]? {
    var seen: Set<UInt32> = []
    var last: UInt32?
    for index in 0..<count where self[index] != last {
      last = self[index]
      seen.insert(self[index])
      if seen.count > limit { return nil }
    }
    return seen.sorted()
  }
}
