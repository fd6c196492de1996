import GraphIR
import Tensors

/// Lets a model that computes in 16-bit floating-point numbers compute in float32: what the methods work on.
///
/// Inputs and outputs keep their types. No weight changes; what stays as it was is stored in 16 bits again
/// (`StorageForm.half`).
enum FloatWidening {
  private static let narrow: Set<ElementType> = [.float16, .bfloat16]
  /// Attributes that name a type, by the numbers of ONNX.
  private static let typeAttributes = ["to", "dtype", "output_dtype"]

  /// True when nodes read constants of 16 bits as they are.
  static func isNeeded(_ model: Model) -> Bool { isNeeded(model.graph) }

  private static func isNeeded(_ graph: Graph) -> Bool {
    graph.nodes.contains { node in
      if node.bodies.contains(where: isNeeded) { return true }
      // Stored in 16 bits, computed in 32.
      if node.op == "Cast" || node.op == "DequantizeLinear" { return false }
      return node.inputs.contains { graph.constant($0).map { narrow.contains($0.type) } ?? false }
    }
  }

  /// Widens all graphs of `model`; false, and nothing is changed, where a type other than a tensor's holds such numbers.
  /// - Throws: `TensorError`, `GraphError`.
  static func apply(to model: inout Model) throws -> Bool {
    guard model.functions.isEmpty, canWiden(model.graph) else { return false }
    var graph = model.graph
    let ports = try detachPorts(&graph)
    try widen(&graph)
    for (port, inner, type) in ports.inputs {
      let node = cast(from: port, to: inner, .float32, graph)
      graph.nodes.insert(node, at: 0)
      graph[port].type = graph[port].type.map { replacing($0, with: type) }
      // The default of an optional input is what a caller would give.
      graph[port].constant = model.graph[port].constant
    }
    for (port, inner, type) in ports.outputs {
      graph.nodes.append(cast(from: inner, to: port, type, graph))
      graph[port].type = graph[port].type.map { replacing($0, with: type) }
    }
    model.graph = graph
    return true
  }

  private static func canWiden(_ graph: Graph) -> Bool {
    let areTensors = graph.values.allSatisfy { value in
      switch value.type {
      case nil, .tensor: true
      case .sequence(let element)?, .optional(let element)?:
        element.tensor.map { !narrow.contains($0.element) } ?? false
      default: false
      }
    }
    return areTensors && graph.nodes.allSatisfy { $0.op.domain.isEmpty && $0.bodies.allSatisfy(canWiden) }
  }

  // MARK: Ports

  private typealias Port = (port: ValueID, inner: ValueID, type: ElementType)

  /// Gives what the graph computes with names of its own where a port has 16 bits.
  private static func detachPorts(_ graph: inout Graph) throws -> (inputs: [Port], outputs: [Port]) {
    var (inputs, outputs): ([Port], [Port]) = ([], [])
    var names = UniqueNames(taken: Set(graph.values.map(\.name)))
    func inner(_ port: ValueID) -> ValueID {
      graph.addValue(Value(name: names.next("\(graph[port].name).float32"), type: graph[port].type))
    }
    for port in graph.inputs {
      guard let type = graph[port].type?.tensor?.element, narrow.contains(type) else { continue }
      inputs.append((port, inner(port), type))
    }
    let ownInputs = Set(graph.inputs)
    for port in graph.outputs where !ownInputs.contains(port) && !outputs.contains(where: { $0.port == port })
    {
      guard let type = graph[port].type?.tensor?.element, narrow.contains(type) else { continue }
      outputs.append((port, inner(port), type))
      if let constant = graph[port].constant {
        graph[outputs[outputs.count - 1].inner].constant = constant
        graph[port].constant = nil
      }
    }
    let replaced = Dictionary(
      uniqueKeysWithValues: (inputs + outputs).map { ($0.port, $0.inner) })
    for index in graph.nodes.indices { graph.nodes[index].replace(replaced) }
    return (inputs, outputs)
  }

  private static func cast(from: ValueID, to: ValueID, _ type: ElementType, _ graph: Graph) -> Node {
    Node(
      name: "\(graph[to].name)/cast", op: "Cast", inputs: [from], outputs: [to],
      attributes: ["to": .int(type.onnxNumber)])
  }

  // MARK: What is inside

  private static func widen(_ graph: inout Graph) throws {
    for index in graph.values.indices {
      graph.values[index].type = graph.values[index].type.map { type in
        guard let tensor = type.tensor, narrow.contains(tensor.element) else { return type }
        return replacing(type, with: .float32)
      }
      if let constant = graph.values[index].constant, narrow.contains(constant.type) {
        graph.values[index].constant = try widened(constant)
        graph.values[index].sparseConstant = nil
      }
    }
    for index in graph.nodes.indices { try widen(&graph.nodes[index]) }
  }

  private static func widen(_ node: inout Node) throws {
    for entry in node.attributes.entries {
      switch entry.value {
      case .int(let number) where typeAttributes.contains(entry.name):
        if narrow.contains(where: { $0.onnxNumber == number }) {
          node.attributes[entry.name] = .int(ElementType.float32.onnxNumber)
        }
      case .tensor(let tensor) where narrow.contains(tensor.type):
        node.attributes[entry.name] = .tensor(try widened(tensor))
      default: break
      }
    }
    try node.mapBodies(widen)
  }

  private static func widened(_ tensor: Tensor) throws(TensorError) -> Tensor {
    try Tensor(shape: tensor.shape, FloatStorage.numbers(tensor))
  }

  private static func replacing(_ type: ValueType, with element: ElementType) -> ValueType {
    guard let tensor = type.tensor else { return type }
    return .tensor(TensorType(element, tensor.dimensions))
  }
}

extension Node {
  /// Reads and writes other values, in the captures of its bodies too.
  fileprivate mutating func replace(_ values: [ValueID: ValueID]) {
    for index in inputs.indices { inputs[index] = values[inputs[index]] ?? inputs[index] }
    for index in outputs.indices { outputs[index] = values[outputs[index]] ?? outputs[index] }
    mapBodies { body in
      for index in body.captures.indices {
        let outer = body.captures[index].outer
        body.captures[index].outer = values[outer] ?? outer
      }
    }
  }
}
