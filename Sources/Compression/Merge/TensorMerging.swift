import Tensors

/// θ₀ + α (θ₁ - θ₀): interpolation between the weights of two models, or the addition of a share of what one of them
/// learned (task arithmetic: Ilharco et al., "Editing models with task arithmetic", 2023).
enum TensorMerging {
  /// - Parameter alpha: 0 gives `base` and 1 gives `other`, both bit by bit.
  /// - Throws: `CompressionError.model` when shapes or types differ, or when numbers other than float16, float32 and
  ///   float64 do: those are sizes, indexes or codes, between which there is nothing.
  static func merge(
    _ base: Tensor, _ other: Tensor, alpha: Double, name: String
  ) throws(CompressionError) -> Tensor {
    guard base.type == other.type, base.shape == other.shape else {
      throw .model(
        "weight '\(name)' is \(base.type.name) \(base.shape) in one model and \(other.type.name) "
          + "\(other.shape) in the other")
    }
    if base == other { return base }
    guard [.float32, .float64, .float16].contains(base.type) else {
      throw .model("weight '\(name)' of \(base.type.name) differs between the models")
    }
    if alpha == 0 || alpha == 1 { return alpha == 0 ? base : other }
    do {
      switch base.type {
      case .float32:
        return try mix(base, other) { (a: Float, b: Float) in
          Float(Double(a) + alpha * (Double(b) - Double(a)))
        }
      case .float16:
        return try mix(base, other) { (a: Float16, b: Float16) in
          Float16(Double(a) + alpha * (Double(b) - Double(a)))
        }
      default: return try mix(base, other) { (a: Double, b: Double) in a + alpha * (b - a) }
      }
    } catch {
      throw .model("weight '\(name)': \(error)")
    }
  }

  private static func mix<Element: TensorElement>(
    _ base: Tensor, _ other: Tensor, _ combine: (Element, Element) -> Element
  ) throws -> Tensor {
    let numbers = zip(base.array(of: Element.self), other.array(of: Element.self)).map { combine($0, $1) }
    return try Tensor(shape: base.shape, numbers)
  }
}
