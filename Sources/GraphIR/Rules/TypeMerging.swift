import Tensors

extension ValueType {
  /// What is known when both `declared` and `inferred` hold; nil when they contradict each other.
  ///
  /// Of two symbols the inferred one stays: it ties the extent to an input's.
  static func merge(declared: ValueType, inferred: ValueType) -> ValueType? {
    switch (declared, inferred) {
    case (.tensor(let a), .tensor(let b)): TensorType.merge(declared: a, inferred: b).map(ValueType.tensor)
    case (.sparseTensor(let a), .sparseTensor(let b)):
      TensorType.merge(declared: a, inferred: b).map(ValueType.sparseTensor)
    case (.sequence(let a), .sequence(let b)): merge(declared: a, inferred: b).map(ValueType.sequence)
    case (.optional(let a), .optional(let b)): merge(declared: a, inferred: b).map(ValueType.optional)
    default: declared == inferred ? declared : nil
    }
  }
}

extension TensorType {
  /// Far above any real tensor; bounds what rules spend on a hostile one.
  static let maximumRank = 256

  static func merge(declared: TensorType, inferred: TensorType) -> TensorType? {
    if declared.element != inferred.element { return nil }
    guard let left = declared.dimensions, let right = inferred.dimensions else {
      return TensorType(declared.element, declared.dimensions ?? inferred.dimensions)
    }
    if left.count != right.count { return nil }
    var dimensions: [Dimension] = []
    for (a, b) in zip(left, right) {
      switch (a, b) {
      case (.known(let x), .known(let y)) where x != y: return nil
      case (.known, _): dimensions.append(a)
      case (_, .unknown): dimensions.append(a)
      default: dimensions.append(b)
      }
    }
    return TensorType(declared.element, dimensions)
  }
}
