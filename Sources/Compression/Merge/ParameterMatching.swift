import Tensors

/// Which weight of one model stands for which of another: by name, or by order when the names tell nothing.
enum ParameterMatching {
  struct Parameter: Sendable, Equatable {
    var name: String
    var type: ElementType
    var shape: Shape
  }

  /// For each parameter of `base`, the index of its counterpart in `other`.
  ///
  /// When every name of `base` is found in `other` with the same type and shape, names decide. Otherwise both lists
  /// must agree in types and shapes one by one: the same net, exported under other names.
  /// - Throws: `CompressionError.model`, which names the first difference.
  static func match(_ base: [Parameter], _ other: [Parameter]) throws(CompressionError) -> [Int] {
    let places = Dictionary(
      other.indices.map { (other[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
    let named = base.compactMap { parameter -> Int? in
      guard let place = places[parameter.name] else { return nil }
      return other[place].type == parameter.type && other[place].shape == parameter.shape ? place : nil
    }
    if named.count == base.count && base.count == other.count { return named }
    for (left, right) in zip(base, other) where left.type != right.type || left.shape != right.shape {
      throw .model("the models differ: \(describe(left)) in one, \(describe(right)) in the other")
    }
    if base.count != other.count {
      let (longer, shorter) = base.count > other.count ? (base, other) : (other, base)
      throw .model(
        "the models differ: one has \(base.count) weights, the other \(other.count); "
          + "\(describe(longer[shorter.count])) has no counterpart")
    }
    return Array(base.indices)
  }

  private static func describe(_ parameter: Parameter) -> String {
    "'\(parameter.name)' \(parameter.type.name) \(parameter.shape)"
  }
}
