import Tensors

extension Passes {
  /// Removes nodes whose results nobody reads, optional outputs that nobody reads, initializers and captures
  /// without a reader, and all values that nothing mentions any more. Renumbers values.
  public static func removeDeadCode(_ model: inout Model) throws(GraphError) -> Int {
    try model.changeGraphs { graph throws(GraphError) in
      var changes = removeDeadNodes(&graph)
      changes += removeDeadOutputs(&graph)
      changes += removeDeadCaptures(&graph)
      changes += removeDeadConstants(&graph)
      graph.removeUnmentionedValues()
      try graph.verifyStructure()
      return changes
    }
  }

  private static func removeDeadNodes(_ graph: inout Graph) -> Int {
    var isRead = Array(repeating: false, count: graph.values.count)
    for output in graph.outputs { isRead[Int(output.index)] = true }
    var kept: [Node] = []
    for node in graph.nodes.reversed() {
      guard node.outputs.contains(where: { !$0.isNone && isRead[Int($0.index)] }) else { continue }
      for input in node.inputs where !input.isNone { isRead[Int(input.index)] = true }
      for body in node.bodies {
        for capture in body.captures { isRead[Int(capture.outer.index)] = true }
      }
      kept.append(node)
    }
    let changes = graph.nodes.count - kept.count
    if changes > 0 { graph.nodes = kept.reversed() }
    return changes
  }

  /// Optional outputs say nothing about the others, so that an unread one can be left out. The outputs of
  /// operators with any number of them all count.
  private static func removeDeadOutputs(_ graph: inout Graph) -> Int {
    let uses = GraphUses(graph)
    var changes = 0
    for index in graph.nodes.indices {
      guard let rule = OperatorTable.rule(for: graph.nodes[index].op), rule.outputs.upperBound < Int.max
      else { continue }
      let count = graph.nodes[index].outputs.count
      for output in rule.outputs.lowerBound..<max(count, rule.outputs.lowerBound) {
        let id = graph.nodes[index].outputs[output]
        if id.isNone || uses.readCount(of: id) > 0 { continue }
        graph.nodes[index].outputs[output] = .none
        changes += 1
      }
      while graph.nodes[index].outputs.count > max(rule.outputs.lowerBound, 1),
        graph.nodes[index].outputs.last == ValueID.none
      {
        graph.nodes[index].outputs.removeLast()
      }
    }
    return changes
  }

  private static func removeDeadCaptures(_ graph: inout Graph) -> Int {
    let uses = GraphUses(graph)
    let count = graph.captures.count
    graph.captures.removeAll { uses.readCount(of: $0.inner) == 0 }
    return count - graph.captures.count
  }

  private static func removeDeadConstants(_ graph: inout Graph) -> Int {
    let uses = GraphUses(graph)
    let inputs = Set(graph.inputs)
    var changes = 0
    for index in graph.values.indices where graph.values[index].constant != nil {
      let id = ValueID(index)
      if uses.readCount(of: id) > 0 || inputs.contains(id) { continue }
      graph.values[index].constant = nil
      graph.values[index].sparseConstant = nil
      changes += 1
    }
    return changes
  }
}

extension Graph {
  /// Drops the values that no node, input, output, capture or constant mentions; ids change.
  mutating func removeUnmentionedValues() {
    var isMentioned = values.map { $0.constant != nil }
    func mention(_ id: ValueID) { if !id.isNone { isMentioned[Int(id.index)] = true } }
    inputs.forEach(mention)
    outputs.forEach(mention)
    for capture in captures { mention(capture.inner) }
    for node in nodes {
      node.inputs.forEach(mention)
      node.outputs.forEach(mention)
      for body in node.bodies { for capture in body.captures { mention(capture.outer) } }
    }
    if isMentioned.allSatisfy({ $0 }) { return }
    var ids = Array(repeating: ValueID.none, count: values.count)
    var kept: [Value] = []
    for index in values.indices where isMentioned[index] {
      ids[index] = ValueID(kept.count)
      kept.append(values[index])
    }
    values = kept
    inputs = inputs.map { ids[Int($0.index)] }
    outputs = outputs.map { ids[Int($0.index)] }
    for index in captures.indices { captures[index].inner = ids[Int(captures[index].inner.index)] }
    for index in nodes.indices {
      nodes[index].outputs = nodes[index].outputs.map { $0.isNone ? $0 : ids[Int($0.index)] }
    }
    rewriteReads { ids[Int($0.index)] }
  }
}
