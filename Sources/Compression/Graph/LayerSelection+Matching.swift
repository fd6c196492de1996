extension LayerSelection {
  private static let words = ["first", "last", "depthwise"]

  /// Whether each of `layers` is selected: nil when it is, else the reason.
  /// - Parameter path: of the step, for the error.
  /// - Throws: `CompressionError.recipe` for a name or glob that matches no layer, which would otherwise be
  ///   ignored in silence.
  func reasonsToSkip(_ layers: [WeightLayer], path: String) throws(CompressionError) -> [String?] {
    try check(self.layers ?? [], member: "layers", layers, path)
    try check(exclude, member: "exclude", layers, path)
    return layers.indices.map { index in
      if let wanted = self.layers, !wanted.contains(where: { Self.matches($0, layers, index) }) {
        return "not among the layers that the recipe names"
      }
      let pattern = exclude.first { Self.matches($0, layers, index) }
      return pattern.map { "excluded by the recipe ('\($0)')" }
    }
  }

  /// True when a pattern other than `*` selects the layer, so that the user asked for this very one.
  func asksFor(_ name: String) -> Bool {
    (layers ?? []).contains {
      $0.contains { $0 != "*" } && !Self.words.contains($0) && glob($0, matches: name)
    }
  }

  private func check(
    _ patterns: [String], member: String, _ layers: [WeightLayer], _ path: String
  ) throws(CompressionError) {
    // All layers may be none, where the steps before have taken them.
    for pattern in patterns where pattern != "*" && !Self.words.contains(pattern) {
      if layers.contains(where: { Self.fits(pattern, $0) }) { continue }
      let names = layers.prefix(20).map(\.name).joined(separator: ", ")
      let known = layers.isEmpty ? "there are none for this step" : "layers are \(names)"
      throw .recipe("\(path).\(member): '\(pattern)' matches no layer; \(known)")
    }
  }

  private static func matches(_ pattern: String, _ layers: [WeightLayer], _ index: Int) -> Bool {
    switch pattern {
    case "first": index == 0
    // Tables, recurrent weights and bodies come last in the list and are not meant.
    case "last": index == (layers.lastIndex { $0.restriction == nil } ?? layers.count - 1)
    case "depthwise": layers[index].isDepthwise
    default: fits(pattern, layers[index])
    }
  }

  /// Parts of a layer that several replaced go by its name too.
  private static func fits(_ pattern: String, _ layer: WeightLayer) -> Bool {
    glob(pattern, matches: layer.name)
      || LowRankWriter.wholeName(ofPart: layer.name).map { glob(pattern, matches: $0) } ?? false
  }
}

/// True when `text` fits `pattern`, in which `*` stands for any characters and `?` for one.
func glob(_ pattern: String, matches text: String) -> Bool {
  let (pattern, text) = (Array(pattern.utf8), Array(text.utf8))
  var (p, t) = (0, 0)
  var star: (p: Int, t: Int)?
  while t < text.count {
    if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
      star = (p, t)
      p += 1
    } else if p < pattern.count, pattern[p] == UInt8(ascii: "?") || pattern[p] == text[t] {
      p += 1
      t += 1
    } else if let last = star {
      // The last star takes one more character.
      star = (last.p, last.t + 1)
      p = last.p + 1
      t = last.t + 1
    } else {
      return false
    }
  }
  while p < pattern.count, pattern[p] == UInt8(ascii: "*") { p += 1 }
  return p == pattern.count
}
