import Tensors

extension Passes {
  /// Nodes that give their input as it is: Identity, Dropout outside training, a Cast to the input's type, a
  /// Transpose that moves nothing, and Concat, Sum, Mean, Max or Min of one input.
  ///
  /// One stays where removing it would take the name of an output of the graph.
  public static func removeIdentities(_ model: inout Model) throws(GraphError) -> Int {
    try model.changeGraphs { graph throws(GraphError) in
      let uses = GraphUses(graph)
      var patch = GraphPatch("remove identities", for: graph)
      // What each removed value stands for, so that chains end at their source.
      var sources: [ValueID: ValueID] = [:]
      var renamed: Set<ValueID> = []
      var changes = 0
      for (index, node) in graph.nodes.enumerated() where passesThrough(node, graph, uses) {
        let output = node.outputs[0]
        let source = sources[node.inputs[0]] ?? node.inputs[0]
        if uses.isOutput(output) {
          if uses.writer(of: source) == nil || uses.isOutput(source) || !renamed.insert(source).inserted {
            continue
          }
        }
        sources[output] = source
        patch.replaceUses(of: output, with: source)
        patch.remove(index)
        changes += 1
      }
      try patch.apply(to: &graph)
      return changes
    }
  }

  private static func passesThrough(_ node: Node, _ graph: Graph, _ uses: GraphUses) -> Bool {
    guard node.op.domain.isEmpty, node.hasInput(0), node.hasOutput(0) else { return false }
    switch node.op.type {
    case "Identity": return true
    case "Dropout":
      let maskIsRead = node.hasOutput(1) && uses.readCount(of: node.outputs[1]) > 0
      return !maskIsRead && !mayTrain(node, graph, uses)
    case "Concat", "Sum", "Mean", "Max", "Min": return node.inputs.count == 1
    case "Cast":
      guard let target = node.attributes.int("to"), let type = graph[node.inputs[0]].type?.tensor else {
        return false
      }
      return type.element.onnxNumber == target
    case "Transpose":
      guard let permutation = node.attributes.ints("perm") else { return false }
      return permutation == Array(permutation.indices)
    default: return false
    }
  }

  /// Before opset 12 Dropout had no input that switches it on.
  private static func mayTrain(_ node: Node, _ graph: Graph, _ uses: GraphUses) -> Bool {
    if !node.hasInput(2) { return false }
    guard let mode = uses.constant(node.inputs[2], in: graph), mode.type == .bool, mode.elementCount == 1
    else {
      return true
    }
    return mode.array(of: Bool.self)[0]
  }
}
