import GraphIR
import Tensors

/// The names of the columns of an output.
public enum PortLabels: Sendable, Hashable {
  case integers([Int])
  case strings([String])
}

/// Lets maps that leave the model go out as the scores they are made of.
///
/// Classifiers of scikit-learn end in a ZipMap, which makes a sequence of maps of a matrix of scores. No tensor protocol
/// can carry those, and nothing is lost with the matrix and the labels of its columns.
enum MapOutputs {
  /// Takes out every ZipMap whose result is an output of the model and nothing else.
  /// - Returns: the labels of each output that is a matrix now, by its name.
  static func replace(in graph: inout Graph) throws(GraphError) -> [String: PortLabels] {
    var labels: [String: PortLabels] = [:]
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard node.op == OperatorName(domain: Model.classicalDomain, type: "ZipMap"), node.outputs.count == 1,
        graph.outputs.contains(node.outputs[0]), !isRead(node.outputs[0], graph)
      else { continue }
      let output = node.outputs[0]
      if let strings = try node.strings("classlabels_strings"), !strings.isEmpty {
        labels[graph[output].name] = .strings(strings)
      } else {
        labels[graph[output].name] = .integers(try node.ints("classlabels_int64s") ?? [])
      }
      graph[output].type = nil
      graph.nodes[index] = Node(
        name: node.name, op: "Identity", inputs: node.inputs, outputs: node.outputs, attributes: [:])
    }
    return labels
  }

  private static func isRead(_ id: ValueID, _ graph: Graph) -> Bool {
    graph.nodes.contains { node in
      node.inputs.contains(id) || node.bodies.contains { $0.captures.contains { $0.outer == id } }
    }
  }
}
