import Tensors

/// One node on its way to a newer opset, with the means to give it new inputs and neighbours.
///
/// Nodes that an adapter adds are in a form that no later opset changes.
struct NodeAdaptation {
  private(set) var graph: Graph
  var names: UniqueNames
  var node = Node(op: "", inputs: [], outputs: [])
  /// The opset whose form the node takes on.
  var version = 0

  private var before: [Node] = []
  private var after: [Node] = []
  private let readValues: Set<ValueID>
  private let producers: [ValueID: Node]
  private var inferredTypes: [ValueID: ValueType] = [:]
  /// The opset that all nodes are on their way to.
  let target: Int

  init(graph: Graph, names: UniqueNames, target: Int) {
    self.target = target
    self.graph = graph
    self.names = names
    var reads = Set(graph.outputs)
    var producers: [ValueID: Node] = [:]
    for node in graph.nodes {
      reads.formUnion(node.inputs)
      reads.formUnion(node.capturedValues)
      for output in node.outputs where !output.isNone { producers[output] = node }
    }
    self.readValues = reads
    self.producers = producers
  }

  mutating func begin(_ node: Node) {
    self.node = node
    before = []
    after = []
  }

  func end() -> [Node] { before + [node] + after }

  // MARK: What is known

  /// Whether output `index` exists and something reads it.
  func isRead(output index: Int) -> Bool {
    index < node.outputs.count && !node.outputs[index].isNone && readValues.contains(node.outputs[index])
  }

  func hasInput(_ index: Int) -> Bool { index < node.inputs.count && !node.inputs[index].isNone }

  /// The elements of input `index` when they are in this graph: an initializer or a Constant node.
  func constant(input index: Int) -> Tensor? {
    if !hasInput(index) { return nil }
    let id = node.inputs[index]
    if let constant = graph.constant(id) { return constant }
    guard let producer = producers[id], producer.op == "Constant" else { return nil }
    return producer.attributes.tensor("value")
  }

  /// The type of input `index` as far as the file, or the nodes before it, tell.
  func type(input index: Int) -> TensorType? {
    hasInput(index) ? valueType(node.inputs[index])?.tensor : nil
  }

  func elementType(input index: Int) -> ElementType? { type(input: index)?.element }

  private func valueType(_ id: ValueID) -> ValueType? {
    if id.isNone { return nil }
    if let constant = graph.constant(id) { return .tensor(TensorType(constant.type, shape: constant.shape)) }
    return graph[id].type ?? inferredTypes[id]
  }

  /// Takes note of the types that finished nodes give, for the nodes after them.
  mutating func infer(_ nodes: [Node]) {
    for node in nodes {
      guard let rule = OperatorTable.rule(for: node.op) else { continue }
      var context = InferenceContext(
        node: node, inputTypes: node.inputs.map(valueType),
        constants: node.inputs.map { $0.isNone ? nil : graph.constant($0) })
      // A node that its rule refuses is reported when the raised model is checked.
      guard (try? rule.infer(&context)) != nil else { continue }
      for (index, id) in node.outputs.enumerated() where !id.isNone {
        inferredTypes[id] = context.outputTypes[index]
      }
    }
  }

  // MARK: Changes

  /// A new constant value, called after the node.
  mutating func addConstant(_ tensor: Tensor, _ suffix: String) -> ValueID {
    graph.addValue(Value(name: names.next("\(label)_\(suffix)"), constant: tensor))
  }

  mutating func addConstant(_ integers: [Int], _ suffix: String) throws(GraphError) -> ValueID {
    addConstant(
      try tensor { () throws(TensorError) in try Tensor(shape: [integers.count], integers) }, suffix)
  }

  /// A new value without elements, called after the node.
  mutating func addValue(_ suffix: String) -> ValueID {
    graph.addValue(Value(name: names.next("\(label)_\(suffix)")))
  }

  /// Adds a node before the one at hand and returns its output.
  mutating func addBefore(
    _ op: OperatorName, _ inputs: [ValueID], _ suffix: String, attributes: Attributes = [:]
  ) -> ValueID {
    let output = addValue(suffix)
    before.append(
      Node(
        name: names.next("\(label)_\(suffix)"), op: op, inputs: inputs, outputs: [output],
        attributes: attributes))
    return output
  }

  /// Lets a new node provide what output `index` was; returns the value that the node at hand provides instead.
  mutating func addAfter(
    _ op: OperatorName, _ suffix: String, output index: Int = 0, inputs: (ValueID) -> [ValueID],
    attributes: Attributes = [:]
  ) -> ValueID {
    let intermediate = addValue(suffix)
    let output = node.outputs[index]
    graph[intermediate].type = nil
    node.outputs[index] = intermediate
    after.insert(
      Node(
        name: names.next("\(label)_\(suffix)"), op: op, inputs: inputs(intermediate), outputs: [output],
        attributes: attributes), at: 0)
    return intermediate
  }

  /// Sets input `index`, omitting those before it that are not there yet.
  mutating func setInput(_ index: Int, _ value: ValueID) {
    while node.inputs.count <= index { node.inputs.append(.none) }
    node.inputs[index] = value
  }

  /// Turns the integer list `attribute` into input `index`; does nothing when the node has no such attribute.
  mutating func moveIntegers(_ attribute: String, toInput index: Int) throws(GraphError) {
    switch node.attributes[attribute] {
    case .ints(let integers)?:
      setInput(index, try addConstant(integers, attribute))
    case .reference(let name, .ints)?:
      setInput(
        index,
        addBefore("Constant", [], attribute, attributes: ["value_ints": .reference(name: name, kind: .ints)]))
    case nil: return
    default: throw invalid(attribute)
    }
    node.attributes[attribute] = nil
  }

  func tensor(_ make: () throws(TensorError) -> Tensor) throws(GraphError) -> Tensor {
    do throws(TensorError) {
      return try make()
    } catch {
      throw refusal("\(error)")
    }
  }

  // MARK: Messages

  var label: String { graph.label(of: node) }

  func refusal(_ reason: String) -> GraphError {
    .unconvertible(name: label, op: node.op.description, version: version, reason: reason)
  }

  func invalid(_ attribute: String) -> GraphError {
    .invalidNode(name: label, op: node.op.description, reason: "attribute '\(attribute)' has the wrong type")
  }
}
