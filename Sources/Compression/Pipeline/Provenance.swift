import GraphIR

/// What a compressed file says about its making, in ONNX `metadata_props`; other runtimes ignore it.
enum Provenance {
  /// The given entries, with those of an earlier compression replaced.
  static func metadata(
    of input: CompressionInput, _ steps: [Recipe.Step], _ ledger: LayerLedger,
    replacing entries: [MetadataEntry], isChanged: Bool
  ) -> [MetadataEntry] {
    if !isChanged { return entries }
    var layers: [String: JSONValue] = [:]
    for (layer, form) in ledger.changes { layers[layer.name] = form.json(layer) }
    let own = [
      MetadataEntry(key: "adze.recipe", value: JSONValue.array(steps.map(\.json)).canonicalText),
      MetadataEntry(key: "adze.parent_sha256", value: input.sourceSHA256),
      MetadataEntry(key: "adze.layers", value: JSONValue.object(layers).canonicalText),
    ]
    return entries.filter { !$0.key.hasPrefix("adze.") } + own
  }
}
