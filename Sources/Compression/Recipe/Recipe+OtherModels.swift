extension Recipe {
  /// The models that steps name beside the one that is compressed, each once: `name` or `name/version`.
  public var otherModels: [String] {
    var names: [String] = []
    for case .merge(let merge) in steps where !names.contains(merge.model) { names.append(merge.model) }
    return names
  }
}
