import GraphIR
import Tensors

/// Collects the rewriting of many nodes as one patch.
///
/// Node indexes are those of the graph that the editor was made for.
struct GraphEditor {
  /// The graph as it was; constants and names are looked up here.
  let graph: Graph
  private(set) var nodes: [Node]
  private var changed: Set<Int> = []
  private var patch: GraphPatch

  init(_ graph: Graph, _ label: String) {
    self.graph = graph
    nodes = graph.nodes
    patch = GraphPatch(label, for: graph)
  }

  /// A new value; its name gets a number when it is taken.
  mutating func addValue(_ name: String, type: ElementType) -> ValueID {
    patch.addValue(Value(name: name, type: .tensor(TensorType(type, nil))))
  }

  mutating func addConstant(_ name: String, _ tensor: Tensor) -> ValueID { patch.addConstant(name, tensor) }

  /// Gives the constant `value` other elements.
  mutating func setConstant(_ value: ValueID, _ tensor: Tensor) { patch.setConstant(value, tensor) }

  /// Puts `nodes` in the place of one node.
  mutating func replace(node: Int, with nodes: [Node]) {
    for replacement in nodes { patch.insert(replacement, before: node) }
    patch.remove(node)
    changed.remove(node)
  }

  mutating func insert(_ node: Node, before index: Int) { patch.insert(node, before: index) }

  /// Inserts after the node `index`, or before all nodes when it is nil.
  mutating func insert(_ node: Node, after index: Int?) {
    patch.insert(node, before: index.map { $0 + 1 } ?? 0)
  }

  /// Changes a node in its place.
  mutating func change(node: Int, _ body: (inout Node) -> Void) {
    body(&nodes[node])
    changed.insert(node)
  }

  /// Sets input `position`, which is at most one beyond the present ones.
  mutating func setInput(of node: Int, at position: Int, to value: ValueID) {
    change(node: node) { node in
      if position == node.inputs.count { node.inputs.append(value) } else { node.inputs[position] = value }
    }
  }

  /// Makes the change.
  /// - Throws: `CompressionError.model` when the result would be inconsistent; `model` is then unchanged.
  consuming func apply(to model: inout Model) throws(CompressionError) {
    try patch(&model, at: GraphPath())
    do {
      _ = try Passes.removeDeadCode(&model)
    } catch {
      throw .model("\(error)")
    }
  }

  /// Makes the change in one graph of `model` and leaves what nobody reads any more.
  /// - Throws: `CompressionError.model` when the result would be inconsistent; `model` is then unchanged.
  consuming func patch(_ model: inout Model, at path: GraphPath) throws(CompressionError) {
    for index in changed.sorted() { patch.replace(index, with: nodes[index]) }
    do {
      try patch.apply(to: &model[graph: path])
    } catch {
      throw .model("\(error)")
    }
    model[graph: path].makeNodeNamesUnique()
  }
}

extension Graph {
  /// Numbers the nodes whose name an earlier one has: onnxruntime refuses a graph with two nodes of one name.
  mutating func makeNodeNamesUnique() {
    var taken = Set(nodes.map(\.name))
    var seen: Set<String> = []
    for index in nodes.indices {
      let name = nodes[index].name
      if name.isEmpty || seen.insert(name).inserted { continue }
      var number = 2
      while !taken.insert("\(name)_\(number)").inserted { number += 1 }
      nodes[index].name = "\(name)_\(number)"
    }
  }
}
