import Tensors

/// Computes one node on constant inputs; nil when it cannot. Supplied by the engine: graphs compute nothing
/// themselves.
public typealias NodeEvaluator = (_ node: Node, _ inputs: [Tensor?]) throws -> [Tensor]?

/// Rewrites that keep what a model computes. Each returns how many changes it made.
///
/// All work on models of any opset unless they say otherwise, and keep the names of inputs, outputs and of every
/// value that stays.
public enum Passes {
  /// The passes that every model goes through before it is compiled, in this order.
  public static func simplify(_ model: inout Model, evaluate: @escaping NodeEvaluator) throws(GraphError) {
    for pass in simplifying(evaluate) { _ = try pass.run(&model) }
  }

  /// A pass by name, for messages and for tests that verify the model between passes.
  public struct Pass {
    public let name: String
    public let run: (inout Model) throws(GraphError) -> Int
  }

  /// The list that `simplify` runs.
  public static func simplifying(_ evaluate: @escaping NodeEvaluator) -> [Pass] {
    [
      Pass(name: "hoist Constant nodes", run: hoistConstantNodes),
      Pass(name: "remove identities", run: removeIdentities),
      Pass(name: "expand packed constants", run: expandPackedConstants),
      Pass(name: "fold constants") { model throws(GraphError) in try foldConstants(&model, evaluate: evaluate)
      },
      Pass(name: "join channel scales", run: joinChannelScales),
      Pass(name: "join channel biases", run: joinChannelBiases),
      Pass(name: "fold BatchNormalization", run: foldBatchNormalization),
      Pass(name: "share equal constants", run: shareEqualConstants),
      Pass(name: "remove dead code", run: removeDeadCode),
    ]
  }
}

extension Model {
  /// Applies `change` to the graph and to every sub-graph in it, innermost first, and adds up the results.
  mutating func changeGraphs(
    _ change: (inout Graph) throws(GraphError) -> Int
  ) throws(GraphError) -> Int {
    try graph.changeGraphs(change)
  }
}

extension Graph {
  /// Whether a node of this operator is in the graph or in a sub-graph.
  func contains(_ op: OperatorName) -> Bool {
    nodes.contains { $0.op == op || $0.bodies.contains { $0.contains(op) } }
  }

  fileprivate mutating func changeGraphs(
    _ change: (inout Graph) throws(GraphError) -> Int
  ) throws(GraphError) -> Int {
    var changes = 0
    for index in nodes.indices where nodes[index].attributes.entries.contains(where: { $0.value.holdsGraph })
    {
      for entry in nodes[index].attributes.entries {
        switch entry.value {
        case .graph(var body):
          changes += try body.changeGraphs(change)
          nodes[index].attributes[entry.name] = .graph(body)
        case .graphs(var bodies):
          for body in bodies.indices { changes += try bodies[body].changeGraphs(change) }
          nodes[index].attributes[entry.name] = .graphs(bodies)
        default: break
        }
      }
    }
    return try changes + change(&self)
  }
}

extension Attribute {
  var holdsGraph: Bool {
    switch self {
    case .graph, .graphs: true
    default: false
    }
  }
}
