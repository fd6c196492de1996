/// Walks a graph and its sub-graphs, and applies to each node the adapters between two opsets.
struct GraphRaiser {
  private let from: Int
  private let to: Int
  private var names: UniqueNames

  /// - Parameter names: of all values that a new value must not be called like.
  init(from: Int, to: Int, names: Set<String>) {
    self.from = from
    self.to = to
    self.names = UniqueNames(taken: names)
  }

  /// - Throws: `GraphError.unconvertible`.
  mutating func raise(_ graph: inout Graph) throws(GraphError) {
    var adaptation = NodeAdaptation(graph: graph, names: names, target: to)
    var nodes: [Node] = []
    nodes.reserveCapacity(graph.nodes.count)
    for node in graph.nodes {
      names = adaptation.names
      adaptation.begin(try raisingSubgraphs(of: node))
      adaptation.names = names
      if node.op.domain.isEmpty { try adapt(&adaptation) }
      let raised = adaptation.end()
      adaptation.infer(raised)
      nodes += raised
    }
    names = adaptation.names
    graph.values = adaptation.graph.values
    graph.nodes = nodes
  }

  private func adapt(_ adaptation: inout NodeAdaptation) throws(GraphError) {
    // A hint about memory that every operator could have until 5.
    if from < 6 { adaptation.node.attributes["consumed_inputs"] = nil }
    for version in (from + 1)...to {
      // An adapter may replace the operator, so it is looked up anew for each version.
      let key = OpsetAdapter.Key(type: adaptation.node.op.type, version: version)
      guard let adapter = OpsetAdapter.table[key] else { continue }
      adaptation.version = version
      try adapter.apply(to: &adaptation)
    }
  }

  private mutating func raisingSubgraphs(of node: Node) throws(GraphError) -> Node {
    var node = node
    for (name, attribute) in node.attributes.entries {
      switch attribute {
      case .graph(var graph):
        try raise(&graph)
        node.attributes[name] = .graph(graph)
      case .graphs(var graphs):
        for index in graphs.indices { try raise(&graphs[index]) }
        node.attributes[name] = .graphs(graphs)
      default: break
      }
    }
    return node
  }
}
