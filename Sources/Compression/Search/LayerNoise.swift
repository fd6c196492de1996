import GraphIR
import Glibc

/// How much noise each layer of a candidate adds to what reaches it.
enum LayerNoise {
  /// - Parameters:
  ///   - sqnr: of the layers' outputs in dB by output name; a layer that is missing has no noise.
  ///   - layers: of a model with the main graph `graph`, in node order; those of bodies have no noise.
  /// - Returns: for each layer noise power by signal power, above what the layers before it brought. A part of the
  ///   own noise counts always: a layer can hide the noise before it.
  static func added(_ sqnr: [String: Double], _ layers: [WeightLayer], in graph: Graph) -> [Double] {
    let noise = layers.map { layer in
      layer.path.steps.isEmpty ? sqnr[graph[layer.output].name].map { pow(10, -$0 / 10) } ?? 0 : 0
    }
    let before = predecessors(layers, in: graph)
    return layers.indices.map { index in
      let brought = before[index].map { noise[$0] }.max() ?? 0
      return max(noise[index] - brought, noise[index] * 0.02)
    }
  }

  /// For each layer those that its input comes from, over any operators that are no layers.
  private static func predecessors(_ layers: [WeightLayer], in graph: Graph) -> [Set<Int>] {
    var owners: [Int: Int] = [:]
    for (index, layer) in layers.enumerated() where layer.path.steps.isEmpty { owners[layer.node] = index }
    // By value: the layers whose outputs it is made of.
    var sources: [ValueID: Set<Int>] = [:]
    for (position, node) in graph.nodes.enumerated() {
      let own: Set<Int>
      if let owner = owners[position] {
        own = [owner]
      } else {
        own = node.inputs.reduce(into: []) { $0.formUnion(sources[$1] ?? []) }
      }
      for output in node.outputs where !output.isNone { sources[output] = own }
    }
    return layers.map { layer in layer.path.steps.isEmpty ? sources[layer.activation] ?? [] : [] }
  }
}
