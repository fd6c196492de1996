import GraphIR
import Tensors

extension Graph {
  /// Adds the computation of another graph of the same opset, whose inputs become `inputs`. Names of its values and
  /// nodes get `label` in front.
  /// - Parameter other: inputs that have a default are constants here.
  /// - Returns: the values that the outputs of `other` become, in order.
  mutating func append(_ other: Graph, label: String, inputs: [ValueID]) -> [ValueID] {
    let required = other.requiredInputs
    precondition(inputs.count == required.count)
    var names = Set(values.map(\.name))
    for node in nodes { node.collectNames(into: &names) }
    var places: [ValueID] = []
    for index in other.values.indices {
      if let input = required.firstIndex(of: ValueID(index)) {
        places.append(inputs[input])
        continue
      }
      var value = other.values[index]
      value.name = "\(label)/\(value.name)"
      while !names.insert(value.name).inserted { value.name += "_" }
      places.append(addValue(value))
    }
    for var node in other.nodes {
      node.name = "\(label)/\(other.label(of: node))"
      node.inputs = node.inputs.map { $0.isNone ? $0 : places[Int($0.index)] }
      node.outputs = node.outputs.map { $0.isNone ? $0 : places[Int($0.index)] }
      for entry in node.attributes.entries {
        let bodies = node.graphs(of: entry.name).map { body in
          var body = body
          body.captures = body.captures.map {
            Capture(outer: places[Int($0.outer.index)], inner: $0.inner)
          }
          return body
        }
        if bodies.isEmpty { continue }
        if case .graph = entry.value {
          node.attributes[entry.name] = .graph(bodies[0])
        } else {
          node.attributes[entry.name] = .graphs(bodies)
        }
      }
      nodes.append(node)
    }
    return other.outputs.map { places[Int($0.index)] }
  }
}

extension Node {
  /// Names inside sub-graphs must not be taken by values around them either.
  fileprivate func collectNames(into names: inout Set<String>) {
    for body in bodies {
      names.formUnion(body.values.map(\.name))
      for node in body.nodes { node.collectNames(into: &names) }
    }
  }
}
