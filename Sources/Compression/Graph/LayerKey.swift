import GraphIR

/// Names a weight of a layer whatever steps do to node indexes: by the path of its graph and by its output, which no
/// step renames.
struct LayerKey: Hashable, Sendable {
  var text: String
}
