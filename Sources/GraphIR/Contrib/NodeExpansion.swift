import Tensors

/// One node on its way to operators of ai.onnx: what is known about its inputs, and the means to add nodes.
///
/// Every node that is added gets its types at once, so that the next one can be chosen by them.
struct NodeExpansion {
  var inference: TypeInference
  var names: UniqueNames
  private(set) var node = Node(op: "", inputs: [], outputs: [])
  private var label = ""
  private var provided: Set<Int> = []
  private var writers: [ValueID: OperatorName] = [:]

  init(_ inference: TypeInference, names: UniqueNames) {
    self.inference = inference
    self.names = names
  }

  mutating func begin(_ node: Node) {
    self.node = node
    label = inference.graph.label(of: node)
    provided = []
  }

  /// Adds a node as it is.
  mutating func append(_ node: Node) throws {
    try inference.append(node)
    for output in node.outputs where !output.isNone { writers[output] = node.op }
  }

  // MARK: What is known

  func has(_ input: Int) -> Bool { node.hasInput(input) }

  /// Whether the node lists output `index`.
  func gives(_ output: Int) -> Bool { node.hasOutput(output) }

  func input(_ index: Int) -> ValueID { has(index) ? node.inputs[index] : .none }

  func type(_ id: ValueID) -> TensorType? { id.isNone ? nil : inference.graph[id].type?.tensor }
  func element(_ id: ValueID) -> ElementType? { type(id)?.element }
  func constant(_ id: ValueID) -> Tensor? { id.isNone ? nil : inference.constants[Int(id.index)] }

  /// The operator that provides `id`; nil for inputs and constants.
  func writer(_ id: ValueID) -> OperatorName? { writers[id] }

  /// - Throws: when it is not known.
  func rank(_ id: ValueID, _ what: String) throws -> Int {
    guard let rank = type(id)?.dimensions?.count else { throw error("the rank of \(what) is not known") }
    return rank
  }

  /// The last extent of `id`.
  /// - Throws: when it is not known.
  func lastExtent(_ id: ValueID, _ what: String) throws -> Int {
    guard let extent = type(id)?.dimensions?.last?.extent else {
      throw error("the last extent of \(what) is not known")
    }
    return extent
  }

  func error(_ reason: String) -> GraphError {
    .invalidNode(name: label, op: node.op.description, reason: reason)
  }

  /// Refuses inputs that have no equal.
  func refuse(inputs: Int..., because reason: String) throws {
    for input in inputs where has(input) { throw error("input \(input) is not supported: \(reason)") }
  }

  // MARK: New values

  mutating func value(_ suffix: String) -> ValueID {
    inference.addValue(Value(name: names.next("\(label)_\(suffix)")))
  }

  mutating func constant(_ tensor: Tensor) -> ValueID {
    inference.addValue(Value(name: names.next("\(label)_constant"), constant: tensor))
  }

  /// A vector of int64.
  mutating func integers(_ values: Int...) throws -> ValueID {
    constant(try Tensor(shape: [values.count], values))
  }

  /// An int64 of rank 0.
  mutating func integer(_ value: Int) throws -> ValueID { constant(try Tensor(scalar: value)) }

  /// A number of rank 0 in the element type of `other`.
  mutating func number(_ value: Float, like other: ValueID) throws -> ValueID {
    let number = constant(try Tensor(scalar: value))
    if element(other) == .float32 { return number }
    return try add("CastLike", [number, other])
  }

  // MARK: New nodes

  mutating func add(
    _ op: OperatorName, _ inputs: [ValueID], outputs count: Int, _ attributes: Attributes = [:]
  ) throws -> [ValueID] {
    let outputs = (0..<count).map { _ in value(op.type) }
    try append(op, inputs, outputs, attributes)
    return outputs
  }

  mutating func add(_ op: OperatorName, _ inputs: [ValueID], _ attributes: Attributes = [:]) throws -> ValueID
  {
    try add(op, inputs, outputs: 1, attributes)[0]
  }

  /// The node that provides output `output`.
  mutating func give(
    _ output: Int = 0, _ op: OperatorName, _ inputs: [ValueID], _ attributes: Attributes = [:]
  ) throws {
    try give(outputs: [output], op, inputs, attributes)
  }

  /// A node that provides several outputs, those that the node at hand lists.
  mutating func give(
    outputs: [Int?], _ op: OperatorName, _ inputs: [ValueID], _ attributes: Attributes = [:]
  ) throws {
    var ids = outputs.map { output -> ValueID in
      guard let output, gives(output) else { return .none }
      provided.insert(output)
      return node.outputs[output]
    }
    while ids.count > 1, ids[ids.count - 1].isNone { ids.removeLast() }
    // An output that nobody asks for is made all the same where the operator must have it.
    if ids[0].isNone { ids[0] = value(op.type) }
    try append(op, inputs, ids, attributes)
  }

  mutating func give(_ output: Int, value: ValueID) throws {
    if gives(output) { try give(output, "Identity", [value]) }
  }

  private mutating func append(
    _ op: OperatorName, _ inputs: [ValueID], _ outputs: [ValueID], _ attributes: Attributes
  ) throws {
    var inputs = inputs
    while let last = inputs.last, last.isNone { inputs.removeLast() }
    try append(
      Node(
        name: names.next("\(label)/\(op.type)"), op: op, inputs: inputs, outputs: outputs,
        attributes: attributes))
  }

  // MARK: The whole node

  /// Puts what `form` makes of `node` in its place.
  /// - Throws: `GraphError` that names the node.
  mutating func expand(_ original: Node, _ form: ContribForm) throws {
    var named = original
    named.name = inference.graph.label(of: original)
    try form.signature.check(named)
    begin(original)
    for index in 0..<form.signature.requiredInputs where !has(index) {
      throw error("input \(index) is required")
    }
    let half = form.isComputedInFloat32 ? try widenInputs() : nil
    let outputs = node.outputs
    if half != nil {
      for index in outputs.indices where !outputs[index].isNone { node.outputs[index] = value("float32") }
    }
    try form.expand(&self)
    for index in outputs.indices where !outputs[index].isNone && !provided.contains(index) {
      throw error("output \(index) is not supported")
    }
    guard let half else { return }
    for (index, wide) in node.outputs.enumerated() where !wide.isNone {
      let keeps = element(wide) != .float32 || form.float32Outputs.contains(index)
      try append(
        keeps ? "Identity" : "Cast", [wide], [outputs[index]],
        keeps ? [:] : ["to": .int(half.onnxNumber)])
    }
  }

  /// float16 and bfloat16 inputs become float32 ones, so that results are rounded once.
  private mutating func widenInputs() throws -> ElementType? {
    var half: ElementType?
    for index in node.inputs.indices {
      guard let element = element(input(index)), element == .float16 || element == .bfloat16 else { continue }
      half = half ?? element
      node.inputs[index] = try add(
        "Cast", [node.inputs[index]], ["to": .int(ElementType.float32.onnxNumber)])
    }
    return half
  }
}
