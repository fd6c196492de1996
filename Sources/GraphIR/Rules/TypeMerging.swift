import Tensors

extension ValueType {
  /// What is known of a value that a file declares and a rule infers; nil when they contradict each other in
  /// anything but shape.
  ///
  /// Files have wrong shapes in them (stale ones of a model that was changed, errors of ONNX's own inference);
  /// they are only hints, and other runtimes go on too. What the rule says stays: numbers, and symbols, which tie
  /// an extent to an input's.
  static func merge(declared: ValueType, inferred: ValueType) -> ValueType? {
    switch (declared, inferred) {
    case (.tensor(let a), .tensor(let b)): TensorType.merge(declared: a, inferred: b).map(ValueType.tensor)
    case (.sparseTensor(let a), .sparseTensor(let b)):
      TensorType.merge(declared: a, inferred: b).map(ValueType.sparseTensor)
    case (.sequence(let a), .sequence(let b)): merge(declared: a, inferred: b).map(ValueType.sequence)
    case (.optional(let a), .optional(let b)): merge(declared: a, inferred: b).map(ValueType.optional)
    case (.map(let key, let a), .map(let other, let b)) where key == other:
      merge(declared: a, inferred: b).map { .map(key: key, value: $0) }
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
    if left.count != right.count { return inferred }
    return TensorType(declared.element, zip(left, right).map { $1 == .unknown ? $0 : $1 })
  }
}
