import Tensors

/// Collects new nodes of a graph, with names of their own.
struct NodeEmitter {
  private(set) var graph: Graph
  private(set) var names: UniqueNames
  private(set) var nodes: [Node] = []
  /// What the names of new nodes and values begin with.
  let label: String

  init(_ graph: Graph, names: UniqueNames, label: String) {
    self.graph = graph
    self.names = names
    self.label = label
  }

  /// The type of a value as far as it is known; values of nodes that were emitted have none.
  func type(_ id: ValueID) -> TensorType? { graph[id].type?.tensor }

  @discardableResult
  mutating func add(_ op: OperatorName, _ inputs: [ValueID], _ attributes: Attributes = [:]) -> ValueID {
    let output = newValue(op.type)
    nodes.append(
      Node(name: graph[output].name, op: op, inputs: inputs, outputs: [output], attributes: attributes))
    return output
  }

  /// Adds a node as it is.
  mutating func add(_ node: Node) { nodes.append(node) }

  mutating func newValue(_ suffix: String) -> ValueID {
    graph.addValue(Value(name: names.next("\(label)/\(suffix)")))
  }

  mutating func constant(_ tensor: Tensor) -> ValueID {
    graph.addValue(Value(name: names.next("\(label)/constant"), constant: tensor))
  }

  mutating func constant(_ integers: [Int]) throws(GraphError) -> ValueID {
    constant(try Self.tensor { () throws(TensorError) in try Tensor(shape: [integers.count], integers) })
  }

  /// A scalar of a floating-point type.
  mutating func scalar(_ value: Double, _ element: ElementType) throws(GraphError) -> ValueID {
    constant(
      try Self.tensor { () throws(TensorError) in
        switch element {
        case .float64: try Tensor(scalar: value)
        case .float16: try Tensor(scalar: Float16(value))
        default: try Tensor(scalar: Float(value))
        }
      })
  }

  mutating func cast(_ id: ValueID, to element: ElementType) -> ValueID {
    add("Cast", [id], ["to": .int(element.onnxNumber)])
  }

  /// Some of the extents of a value, as a vector.
  mutating func extents(_ id: ValueID, _ axes: Range<Int>) -> ValueID {
    add("Shape", [id], ["start": .int(axes.lowerBound), "end": .int(axes.upperBound)])
  }

  mutating func concat(_ vectors: [ValueID]) -> ValueID { add("Concat", vectors, ["axis": .int(0)]) }

  /// Puts the nodes of `body`, which has one output, in place.
  mutating func splice(_ body: Graph, _ inputs: [ValueID]) -> ValueID {
    let output = newValue("\(body.name)_output")
    let splice = GraphSplice(label: label, keepsShapes: false)
    nodes += splice.nodes(of: body, inputs: inputs, outputs: [output], in: &graph, names: &names)
    return output
  }

  private static func tensor(_ make: () throws(TensorError) -> Tensor) throws(GraphError) -> Tensor {
    do throws(TensorError) {
      return try make()
    } catch {
      throw .invalidGraph(reason: "\(error)")
    }
  }
}
