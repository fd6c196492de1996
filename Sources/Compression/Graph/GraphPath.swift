import GraphIR

/// Where a graph lies in its model: from the main graph downwards. Empty: the main graph.
struct GraphPath: Hashable, Sendable {
  struct Step: Hashable, Sendable {
    var node: Int
    var attribute: String
    /// Among the graphs of an attribute that holds several.
    var index = 0
  }

  var steps: [Step] = []

  func appending(_ step: Step) -> GraphPath { GraphPath(steps: steps + [step]) }
}

extension Model {
  /// The graph at `path`, which must be there.
  subscript(graph path: GraphPath) -> Graph {
    get { graph[nested: path.steps[...]] }
    set { graph[nested: path.steps[...]] = newValue }
  }
}

extension Model {
  /// The main graph, then those inside it, each before its own.
  var graphs: [(path: GraphPath, graph: Graph)] {
    var result: [(path: GraphPath, graph: Graph)] = []
    func walk(_ graph: Graph, _ path: GraphPath) {
      result.append((path, graph))
      for (number, node) in graph.nodes.enumerated() {
        for entry in node.attributes.entries {
          for (index, body) in node.graphs(of: entry.name).enumerated() {
            walk(body, path.appending(.init(node: number, attribute: entry.name, index: index)))
          }
        }
      }
    }
    walk(graph, GraphPath())
    return result
  }
}

extension Graph {
  fileprivate subscript(nested steps: ArraySlice<GraphPath.Step>) -> Graph {
    get {
      guard let step = steps.first else { return self }
      return nodes[step.node].graphs(of: step.attribute)[step.index][nested: steps.dropFirst()]
    }
    set {
      guard let step = steps.first else {
        self = newValue
        return
      }
      var graphs = nodes[step.node].graphs(of: step.attribute)
      graphs[step.index][nested: steps.dropFirst()] = newValue
      let isList = if case .graphs? = nodes[step.node].attributes[step.attribute] { true } else { false }
      nodes[step.node].attributes[step.attribute] = isList ? .graphs(graphs) : .graph(graphs[0])
    }
  }
}

extension Node {
  /// The sub-graphs of one attribute; none when it holds something else.
  func graphs(of attribute: String) -> [Graph] {
    switch attributes[attribute] {
    case .graph(let graph): [graph]
    case .graphs(let graphs): graphs
    default: []
    }
  }
}
