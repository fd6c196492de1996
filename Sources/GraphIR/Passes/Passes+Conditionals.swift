import Tensors

extension Passes {
  /// Conditions that depend on each other are followed this far.
  private static let conditionalRounds = 64

  /// An If whose condition is known before any run gives way to the branch it takes. The other branch is never
  /// looked at: exporters leave branches behind that do not fit the model's types.
  public static func takeKnownBranches(
    _ model: inout Model, evaluate: @escaping NodeEvaluator
  ) throws(GraphError) -> Int {
    var changes = 0
    for _ in 0..<conditionalRounds {
      if !model.graph.contains("If") { break }
      var taken = try takeBranches(&model)
      if taken == 0 {
        _ = try hoistConstantNodes(&model)
        // What is wrong outside of branches is reported by whoever infers types next.
        try? model.graph.inferTypes(tolerating: ["If"])
        _ = try foldConstants(&model, evaluate: evaluate, infersTypes: false)
        taken = try takeBranches(&model)
      }
      if taken == 0 { break }
      changes += taken
    }
    return changes
  }

  private static func takeBranches(_ model: inout Model) throws(GraphError) -> Int {
    var taking = BranchTaking(names: UniqueNames(taken: model.graph.allValueNames))
    try taking.run(&model.graph, known: [:])
    return taking.changes
  }
}

private struct BranchTaking {
  var names: UniqueNames
  var changes = 0

  /// - Parameter known: captured values that are constant in the graph around.
  mutating func run(_ graph: inout Graph, known: [ValueID: Tensor]) throws(GraphError) {
    let inputs = Set(graph.inputs)
    var pending = Array(graph.nodes.reversed())
    var nodes: [Node] = []
    while var node = pending.popLast() {
      if node.op == "If", node.inputs.count == 1,
        let condition = constant(node.inputs[0], graph, inputs, known), let isTrue = Self.truth(condition)
      {
        let branch = try node.graph(isTrue ? "then_branch" : "else_branch")
        pending += try taken(branch, by: node, in: &graph).reversed()
        changes += 1
        continue
      }
      for entry in node.attributes.entries {
        guard case .graph(var body) = entry.value, body.contains("If") else { continue }
        var inner: [ValueID: Tensor] = [:]
        for capture in body.captures { inner[capture.inner] = constant(capture.outer, graph, inputs, known) }
        try run(&body, known: inner)
        node.attributes[entry.name] = .graph(body)
      }
      nodes.append(node)
    }
    graph.nodes = nodes
  }

  private func constant(
    _ id: ValueID, _ graph: Graph, _ inputs: Set<ValueID>, _ known: [ValueID: Tensor]
  ) -> Tensor? {
    if id.isNone || inputs.contains(id) { return nil }
    return graph[id].constant ?? known[id]
  }

  private static func truth(_ condition: Tensor) -> Bool? {
    condition.type == .bool && condition.elementCount == 1 ? condition.array(of: Bool.self)[0] : nil
  }

  private mutating func taken(
    _ branch: Graph, by node: Node, in graph: inout Graph
  ) throws(GraphError) -> [Node] {
    if branch.outputs.count != node.outputs.count {
      throw node.error("a branch has \(branch.outputs.count) outputs, the node \(node.outputs.count)")
    }
    let outputs = Set(graph.outputs)
    for (output, source) in zip(node.outputs, branch.outputs)
    where !output.isNone && !outputs.contains(output) {
      // Exporters declare the shape of either branch.
      graph[output].type = branch[source].type ?? graph[output].type?.withoutShape
    }
    return GraphSplice(label: graph.label(of: node)).nodes(
      of: branch, inputs: [], outputs: node.outputs, in: &graph, names: &names)
  }
}
