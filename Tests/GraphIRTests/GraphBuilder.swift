import GraphIR
import Tensors

/// Builds small graphs by value names.
struct GraphBuilder {
  var graph = Graph(name: "test")
  private var ids: [String: ValueID] = [:]

  mutating func input(_ name: String, _ type: String) throws {
    graph.inputs.append(id(name))
    graph[id(name)].type = try TypeText.parse(type)
  }

  mutating func constant(_ name: String, _ tensor: Tensor) { graph[id(name)].constant = tensor }

  mutating func constant(_ name: String, _ values: [Float], _ shape: Shape? = nil) throws {
    constant(name, try Tensor(shape: shape ?? [values.count], values))
  }

  mutating func constant(_ name: String, ints: [Int]) throws {
    constant(name, try Tensor(shape: [ints.count], ints))
  }

  /// Adds a node; its name is that of its first output. "" stands for an omitted input or output.
  mutating func node(
    _ op: OperatorName, _ inputs: [String], _ outputs: [String], _ attributes: Attributes = [:]
  ) {
    let inputIDs = inputs.map { id($0) }
    let outputIDs = outputs.map { id($0) }
    graph.nodes.append(
      Node(name: outputs[0], op: op, inputs: inputIDs, outputs: outputIDs, attributes: attributes))
  }

  mutating func output(_ name: String) { graph.outputs.append(id(name)) }

  mutating func id(_ name: String) -> ValueID {
    if name.isEmpty { return .none }
    if let id = ids[name] { return id }
    let id = graph.addValue(Value(name: name))
    ids[name] = id
    return id
  }

  /// A model of the newest opset around the graph.
  func model(opset: Int = Model.opsetVersions.upperBound, irVersion: Int = 10) -> Model {
    Model(graph: graph, irVersion: irVersion, opsets: ["": opset])
  }
}

extension Graph {
  func value(_ name: String) -> Value? { values.first { $0.name == name } }
  func type(_ name: String) -> String { TypeText.write(value(name)?.type) }
  var operators: [String] { nodes.map(\.op.type) }
  func inputNames(_ node: Int) -> [String] { nodes[node].inputs.map { $0.isNone ? "" : self[$0].name } }
  func outputNames(_ node: Int) -> [String] { nodes[node].outputs.map { $0.isNone ? "" : self[$0].name } }
}
