import Tensors

/// Puts the nodes of one graph into another.
struct GraphSplice {
  /// What new names begin with.
  let label: String
  /// Shapes that the body declares may not hold where it comes to stand.
  var keepsShapes = true

  /// - Parameters:
  ///   - inputs: what the body's inputs stand for; `.none`, or none at all, for an omitted one.
  ///   - outputs: the values of `graph` that the body's outputs become; `.none` for one that is not wanted.
  /// - Returns: the nodes that give `outputs`, in order. The values they need have been added to `graph`.
  func nodes(
    of body: Graph, inputs: [ValueID], outputs: [ValueID], in graph: inout Graph, names: inout UniqueNames
  ) -> [Node] {
    var ids = [ValueID?](repeating: nil, count: body.values.count)
    for (index, input) in body.inputs.enumerated() {
      ids[Int(input.index)] = index < inputs.count ? inputs[index] : ValueID.none
    }
    for capture in body.captures { ids[Int(capture.inner.index)] = capture.outer }
    var copies: [Node] = []
    for (output, target) in zip(body.outputs, outputs) where !target.isNone {
      if let source = ids[Int(output.index)] {
        // The output is an input, a captured value, or the same as another output.
        copies.append(Node(op: "Identity", inputs: [source], outputs: [target]))
      } else {
        ids[Int(output.index)] = target
        graph[target].constant = body[output].constant
      }
    }
    for index in body.values.indices where ids[index] == nil {
      var value = body.values[index]
      value.name = names.next("\(label)/\(value.name)")
      if !keepsShapes, value.constant == nil { value.type = value.type?.withoutShape }
      ids[index] = graph.addValue(value)
    }
    let place = ids.map { $0 ?? .none }
    return body.nodes.map { moved($0, to: place, label: label + "/" + body.label(of: $0)) } + copies
  }

  private func moved(_ node: Node, to place: [ValueID], label: String) -> Node {
    var node = node
    node.name = label
    node.inputs = node.inputs.map { $0.isNone ? $0 : place[Int($0.index)] }
    node.outputs = node.outputs.map { $0.isNone ? $0 : place[Int($0.index)] }
    node.mapBodies { inner in
      for index in inner.captures.indices {
        inner.captures[index].outer = place[Int(inner.captures[index].outer.index)]
      }
      inner.omitMissingCaptures()
    }
    return node
  }
}

extension Graph {
  /// What stood for an omitted input is omitted inside sub-graphs too.
  fileprivate mutating func omitMissingCaptures() {
    let missing = Set(captures.filter(\.outer.isNone).map(\.inner))
    if missing.isEmpty { return }
    captures.removeAll { $0.outer.isNone }
    for index in nodes.indices {
      nodes[index].inputs = nodes[index].inputs.map { missing.contains($0) ? .none : $0 }
    }
  }
}

extension ValueType {
  /// Only kind and element type.
  var withoutShape: ValueType {
    if case .tensor(let type) = self { .tensor(TensorType(type.element, nil)) } else { self }
  }
}
