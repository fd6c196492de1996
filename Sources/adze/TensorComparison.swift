import Tensors

/// Compares a computed tensor with an expected one as ONNX's backend tests do.
struct TensorComparison {
  /// How far floats may be apart, as a share of the expected one and beyond that.
  var relativeTolerance = 1e-3
  var absoluteTolerance = 1e-5

  /// The same for values of any kind.
  func difference(_ actual: RuntimeValue, expected: RuntimeValue) -> String? {
    switch (actual, expected) {
    case (.tensor(let left), .tensor(let right)): return difference(left, expected: right)
    case (.sequence(let left), .sequence(let right)):
      if left.count != right.count { return "has \(left.count) elements, expected \(right.count)" }
      for (index, pair) in zip(left, right).enumerated() {
        if let text = difference(pair.0, expected: pair.1) { return "element \(index) \(text)" }
      }
      return nil
    case (.map(let keys, let values), .map(let expectedKeys, let expectedValues)):
      return difference(keys, expected: expectedKeys).map { "has other keys: it \($0)" }
        ?? difference(values, expected: expectedValues)
    case (.optional(nil), .optional(nil)): return nil
    case (.optional(let left?), .optional(let right?)): return difference(left, expected: right)
    // An optional's element may stand for the optional.
    case (_, .optional(let right?)): return difference(actual, expected: right)
    default: return "is of another kind than expected"
    }
  }

  /// What differs, in words; nil when the tensors agree: floats within the tolerances, all else exactly.
  func difference(_ actual: Tensor, expected: Tensor) -> String? {
    if actual.type != expected.type { return "is \(actual.type.name), expected \(expected.type.name)" }
    if actual.shape != expected.shape { return "has shape \(actual.shape), expected \(expected.shape)" }
    guard let left = floats(actual), let right = floats(expected) else {
      return actual == expected ? nil : "differs in its \(actual.type.name) elements"
    }
    for (index, pair) in zip(left, right).enumerated() where !agree(pair.0, pair.1) {
      return "element \(index) is \(pair.0), expected \(pair.1)"
    }
    return nil
  }

  private func agree(_ actual: Double, _ expected: Double) -> Bool {
    if actual.isNaN || expected.isNaN { return actual.isNaN && expected.isNaN }
    if actual == expected { return true }
    if actual.isInfinite || expected.isInfinite { return false }
    return abs(actual - expected) <= absoluteTolerance + relativeTolerance * abs(expected)
  }

  private func floats(_ tensor: Tensor) -> [Double]? {
    switch tensor.type {
    case .float32: tensor.array(of: Float.self).map(Double.init)
    case .float64: tensor.array(of: Double.self)
    case .float16: tensor.array(of: Float16.self).map(Double.init)
    case .bfloat16:
      tensor.withBytes { bytes in
        bytes.bindMemory(to: UInt16.self).map { Double(Float(bitPattern: UInt32($0) << 16)) }
      }
    default: nil
    }
  }
}
