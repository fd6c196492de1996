/// How a layer's weight is held, for those who read the file later.
struct WeightForm: Equatable {
  /// Of a code.
  var bits: Int?
  /// Inputs that share a scale.
  var group: Int?
  /// What zeros come in: `2:4`, `block:1x16` …
  var structure: String?

  /// Takes over what `other` says.
  mutating func merge(_ other: WeightForm) {
    bits = other.bits ?? bits
    group = other.group ?? group
    structure = other.structure ?? structure
  }

  /// With the methods and the density of a layer's report.
  func json(_ layer: LayerReport) -> JSONValue {
    .members([
      "method": .array(layer.methods.map(JSONValue.string)), "bits": bits.map { .number(Double($0)) },
      "group": group.map { .number(Double($0)) }, "structure": structure.map(JSONValue.string),
      // Rounded, so that the text is short.
      "density": layer.sparsity.map { .number(((1 - $0) * 1e4).rounded() / 1e4) },
    ])
  }
}
