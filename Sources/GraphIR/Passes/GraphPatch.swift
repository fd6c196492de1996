import Tensors

/// A change of a graph: recorded first, then made as a whole or not at all.
///
/// Node indexes are those of the graph that the patch was made for. Graph inputs and outputs keep their names.
public struct GraphPatch {
  /// What made the patch; part of its error messages.
  public let label: String

  private let valueCount: Int
  private var names: Set<String>
  private var addedValues: [Value] = []
  private var constants: [ValueID: Tensor] = [:]
  private var insertions: [Int: [Node]] = [:]
  private var replacements: [Int: Node] = [:]
  private var removals: Set<Int> = []
  private var aliases: [ValueID: ValueID] = [:]

  public init(_ label: String, for graph: Graph) {
    self.label = label
    valueCount = graph.values.count
    names = Set(graph.values.map(\.name))
  }

  public var isEmpty: Bool {
    addedValues.isEmpty && constants.isEmpty && insertions.isEmpty && replacements.isEmpty && removals.isEmpty
      && aliases.isEmpty
  }

  /// Adds a value; its name gets a number when another value has it already.
  public mutating func addValue(_ value: Value) -> ValueID {
    var value = value
    let wanted = value.name
    var number = 1
    while !names.insert(value.name).inserted {
      value.name = "\(wanted)_\(number)"
      number += 1
    }
    addedValues.append(value)
    return ValueID(valueCount + addedValues.count - 1)
  }

  /// Adds a constant under `name`, made unique.
  public mutating func addConstant(_ name: String, _ tensor: Tensor) -> ValueID {
    addValue(Value(name: name, constant: tensor))
  }

  /// Makes `value` a constant with these elements. A node that gave it must be removed by the same patch.
  public mutating func setConstant(_ value: ValueID, _ tensor: Tensor) { constants[value] = tensor }

  /// Puts `node` before node `index`, after nodes inserted there earlier.
  public mutating func insert(_ node: Node, before index: Int) { insertions[index, default: []].append(node) }

  /// Puts `node` in the place of node `index`.
  public mutating func replace(_ index: Int, with node: Node) { replacements[index] = node }

  public mutating func remove(_ index: Int) { removals.insert(index) }

  /// Lets every reader of `old` read `new` instead. When `old` is an output of the graph, the node that gives
  /// `new` gives `old` from then on, so that the output keeps its name.
  public mutating func replaceUses(of old: ValueID, with new: ValueID) { aliases[old] = new }

  /// Makes the change.
  /// - Throws: `GraphError` when the result would be inconsistent; `graph` is then unchanged.
  public func apply(to graph: inout Graph) throws(GraphError) {
    if graph.values.count != valueCount {
      throw .invalidGraph(reason: "\(label): the patch was made for another graph")
    }
    if isEmpty { return }
    var result = graph
    result.values += addedValues
    for (id, tensor) in constants {
      result[id].constant = tensor
      result[id].sparseConstant = nil
      result[id].type = .tensor(TensorType(tensor.type, shape: tensor.shape))
    }
    result.nodes = patchedNodes(of: graph)
    try renameUses(in: &result)
    do {
      try result.verifyStructure()
    } catch {
      throw .invalidGraph(reason: "\(label): \(error)")
    }
    graph = result
  }

  private func patchedNodes(of graph: Graph) -> [Node] {
    var nodes: [Node] = []
    nodes.reserveCapacity(graph.nodes.count + insertions.count)
    for index in 0...graph.nodes.count {
      nodes += insertions[index] ?? []
      if index < graph.nodes.count && !removals.contains(index) {
        nodes.append(replacements[index] ?? graph.nodes[index])
      }
    }
    return nodes
  }

  private func renameUses(in graph: inout Graph) throws(GraphError) {
    if aliases.isEmpty { return }
    var targets = try resolvedAliases()
    let outputs = Set(graph.outputs)
    for (old, new) in targets.sorted(by: { $0.key < $1.key }) where outputs.contains(old) {
      guard let target = targets[old], target == new else { continue }
      guard !outputs.contains(new), let position = writer(of: new, in: graph) else {
        throw .invalidGraph(reason: "\(label): output '\(graph[old].name)' would lose its name")
      }
      graph.nodes[position.node].outputs[position.output] = old
      if graph[old].type == nil { graph[old].type = graph[new].type }
      targets[old] = nil
      for (other, target) in targets where target == new { targets[other] = old }
      targets[new] = old
    }
    graph.rewriteReads { targets[$0] ?? $0 }
  }

  private func resolvedAliases() throws(GraphError) -> [ValueID: ValueID] {
    var result: [ValueID: ValueID] = [:]
    for old in aliases.keys {
      var target = old
      var steps = 0
      while let next = aliases[target] {
        target = next
        steps += 1
        if steps > aliases.count {
          throw .invalidGraph(reason: "\(label): values replace each other in a circle")
        }
      }
      result[old] = target
    }
    return result
  }

  private func writer(of id: ValueID, in graph: Graph) -> (node: Int, output: Int)? {
    for (index, node) in graph.nodes.enumerated() {
      if let output = node.outputs.firstIndex(of: id) { return (index, output) }
    }
    return nil
  }
}

extension Graph {
  /// Replaces every id that nodes read or that sub-graphs capture.
  mutating func rewriteReads(_ replacement: (ValueID) -> ValueID) {
    for index in nodes.indices {
      for input in nodes[index].inputs.indices where !nodes[index].inputs[input].isNone {
        nodes[index].inputs[input] = replacement(nodes[index].inputs[input])
      }
      nodes[index].mapBodies { body in
        for capture in body.captures.indices {
          body.captures[capture].outer = replacement(body.captures[capture].outer)
        }
      }
    }
  }
}

extension Node {
  /// Changes each sub-graph among the attributes in place.
  package mutating func mapBodies<Failure: Error>(
    _ change: (inout Graph) throws(Failure) -> Void
  ) throws(Failure) {
    for entry in attributes.entries {
      switch entry.value {
      case .graph(var body):
        try change(&body)
        attributes[entry.name] = .graph(body)
      case .graphs(var bodies):
        for index in bodies.indices { try change(&bodies[index]) }
        attributes[entry.name] = .graphs(bodies)
      default: break
      }
    }
  }
}
