import ONNXFormat
import Tensors

/// Makes graphs of `GraphProto`s: names become ids; a name that a sub-graph does not provide itself is looked up
/// in the graphs around it and becomes a capture of each graph on the way.
struct GraphImporter {
  /// A graph under construction and its values by name.
  private struct Scope {
    var graph: Graph
    var names: [String: ValueID] = [:]
  }

  /// Of the model or function at hand.
  var opsets: [String: Int]
  private let irVersion: Int
  private var decoder: TensorDecoder
  /// Outermost first; the last is the one being built.
  private var scopes: [Scope] = []

  init(opsets: [String: Int], irVersion: Int, decoder: TensorDecoder) {
    self.opsets = opsets
    self.irVersion = irVersion
    self.decoder = decoder
  }

  /// - Throws: `GraphError`.
  mutating func graph(
    _ message: consuming Onnx_GraphProto, weights: FileWeights? = nil
  ) throws(GraphError) -> Graph {
    var graph = Graph(name: message.name)
    graph.documentation = message.docString
    graph.metadata = Self.metadata(message.metadataProps)
    graph.quantizationAnnotations = message.quantizationAnnotation.map {
      QuantizationAnnotation(
        valueName: $0.tensorName, parameters: Self.metadata($0.quantParameterTensorNames))
    }
    scopes.append(Scope(graph: graph))
    for input in message.input { try addInput(input.name) }
    try addInitializers(&message, weights)
    try addNodes(message.node)
    let outputs = message.output
    for output in outputs {
      let reader = "output '\(output.name)'"
      scopes[scopes.count - 1].graph.outputs.append(try resolve(output.name, reader: reader))
    }
    for info in message.input + outputs + message.valueInfo { try annotate(info) }
    return try finish()
  }

  /// - Throws: `GraphError`.
  mutating func functionBody(_ message: Onnx_FunctionProto) throws(GraphError) -> Graph {
    var graph = Graph(name: message.name)
    graph.documentation = message.docString
    graph.metadata = Self.metadata(message.metadataProps)
    scopes.append(Scope(graph: graph))
    for input in message.input { try addInput(input) }
    try addNodes(message.node)
    for output in message.output {
      scopes[scopes.count - 1].graph.outputs.append(try resolve(output, reader: "output '\(output)'"))
    }
    for info in message.valueInfo { try annotate(info) }
    return try finish()
  }

  mutating func functionDefaults(
    _ message: Onnx_FunctionProto, op: OperatorName
  ) throws(GraphError) -> Attributes {
    try attributes(message.attributeProto, node: message.name, op: op)
  }

  static func metadata(_ entries: [Onnx_StringStringEntryProto]) -> [MetadataEntry] {
    entries.map { MetadataEntry(key: $0.key, value: $0.value) }
  }

  private mutating func finish() throws(GraphError) -> Graph {
    var graph = scopes.removeLast().graph
    try graph.sortNodes()
    if irVersion < 4 && scopes.isEmpty {
      // Before IR 4 every initializer had to be an input too, yet nobody could override it.
      graph.inputs = graph.inputs.filter { graph[$0].constant == nil }
    }
    return graph
  }

  // MARK: Values

  private mutating func addInput(_ name: String) throws(GraphError) {
    let id = try provide(name)
    scopes[scopes.count - 1].graph.inputs.append(id)
  }

  /// A new value of the innermost graph.
  private mutating func provide(_ name: String) throws(GraphError) -> ValueID {
    let level = scopes.count - 1
    if name.isEmpty { throw .invalidGraph(reason: "graph '\(graphName)' has a value without a name") }
    if scopes[level].names[name] != nil { throw .duplicateValue(graph: graphName, value: name) }
    let id = scopes[level].graph.addValue(Value(name: name))
    scopes[level].names[name] = id
    return id
  }

  private var graphName: String { scopes[scopes.count - 1].graph.name }

  /// The value called `name` as the innermost graph sees it.
  private mutating func resolve(_ name: String, reader: String) throws(GraphError) -> ValueID {
    if let id = resolve(name, level: scopes.count - 1) { return id }
    throw .undefinedValue(graph: graphName, value: name, reader: reader)
  }

  private mutating func resolve(_ name: String, level: Int) -> ValueID? {
    if let id = scopes[level].names[name] { return id }
    if level == 0 { return nil }
    guard let outer = resolve(name, level: level - 1) else { return nil }
    let type = scopes[level - 1].graph[outer].type
    let inner = scopes[level].graph.addValue(Value(name: name, type: type))
    scopes[level].graph.captures.append(Capture(outer: outer, inner: inner))
    scopes[level].names[name] = inner
    return inner
  }

  private mutating func addInitializers(
    _ message: inout Onnx_GraphProto, _ weights: FileWeights?
  ) throws(GraphError) {
    var tensors = message.initializer
    message.initializer = []
    for index in tensors.indices {
      let id = try provideConstant(tensors[index].name)
      try setConstant(id, tensors[index], weights, index)
      tensors[index] = Onnx_TensorProto()
    }
    for sparse in message.sparseInitializer {
      let id = try provideConstant(sparse.values.name)
      let tensor = try sparseTensor(sparse, name: sparse.values.name)
      let dense = try dense(tensor, name: sparse.values.name)
      update(id) { value in
        value.constant = dense
        value.sparseConstant = tensor
        value.type = .tensor(TensorType(dense.type, shape: dense.shape))
      }
    }
  }

  /// The value that an initializer called `name` gives elements: an input's default, or a new value.
  private mutating func provideConstant(_ name: String) throws(GraphError) -> ValueID {
    let level = scopes.count - 1
    guard let id = scopes[level].names[name] else { return try provide(name) }
    if scopes[level].graph[id].constant != nil { throw .duplicateValue(graph: graphName, value: name) }
    return id
  }

  private mutating func setConstant(
    _ id: ValueID, _ message: Onnx_TensorProto, _ weights: FileWeights?, _ index: Int
  ) throws(GraphError) {
    let tensor = try tensor(message, name: message.name, in: weights, index)
    let metadata = Self.metadata(message.metadataProps)
    update(id) { value in
      value.constant = tensor
      value.type = .tensor(TensorType(tensor.type, shape: tensor.shape))
      if message.docString.isEmpty && metadata.isEmpty { return }
      var annotations = ValueAnnotations()
      annotations.documentation = message.docString
      annotations.metadata = metadata
      value.annotations = annotations
    }
  }

  /// Adds what the file says about a value; entries about values that are not in this graph say nothing.
  private mutating func annotate(_ info: Onnx_ValueInfoProto) throws(GraphError) {
    guard let id = scopes[scopes.count - 1].names[info.name] else { return }
    let type = try TypeImport.type(info.type, of: info.name)
    let metadata = Self.metadata(info.metadataProps)
    let denotations = TypeImport.denotations(info.type)
    update(id) { value in
      if value.type == nil { value.type = type }
      if info.docString.isEmpty && metadata.isEmpty && denotations == nil { return }
      var annotations = value.annotations ?? ValueAnnotations()
      if !info.docString.isEmpty { annotations.documentation = info.docString }
      if !metadata.isEmpty { annotations.metadata = metadata }
      annotations.typeDenotation = denotations?.type ?? annotations.typeDenotation
      annotations.dimensionDenotations = denotations?.dimensions ?? annotations.dimensionDenotations
      value.annotations = annotations
    }
  }

  private mutating func update(_ id: ValueID, _ change: (inout Value) -> Void) {
    change(&scopes[scopes.count - 1].graph.values[Int(id.index)])
  }

  // MARK: Nodes

  private mutating func addNodes(_ messages: [Onnx_NodeProto]) throws(GraphError) {
    // All outputs first: files may have their nodes in any order.
    var outputs: [[ValueID]] = []
    outputs.reserveCapacity(messages.count)
    for message in messages {
      outputs.append(
        try message.output.map { name throws(GraphError) in
          name.isEmpty ? .none : try provide(name)
        })
    }
    for (message, outputs) in zip(messages, outputs) {
      let node = try node(message, outputs: outputs)
      scopes[scopes.count - 1].graph.nodes.append(node)
    }
  }

  private mutating func node(
    _ message: Onnx_NodeProto, outputs: [ValueID]
  ) throws(GraphError) -> Node {
    let op = OperatorName(domain: message.domain, type: message.opType)
    let label = message.name.isEmpty ? message.output.first { !$0.isEmpty } ?? "" : message.name
    if op.type.isEmpty { throw .invalidNode(name: label, op: "", reason: "it has no operator type") }
    if op.domain.isEmpty && opsets[""] == nil {
      throw .invalidNode(name: label, op: op.description, reason: "no opset of ai.onnx is imported")
    }
    var inputs: [ValueID] = []
    for name in message.input {
      inputs.append(name.isEmpty ? .none : try resolve(name, reader: "node '\(label)' (\(op))"))
    }
    var node = Node(name: message.name, op: op, inputs: inputs, outputs: outputs)
    node.attributes = try attributes(message.attribute, node: label, op: op)
    node.documentation = message.docString
    node.overload = message.overload
    node.metadata = Self.metadata(message.metadataProps)
    for device in message.deviceConfigurations {
      node.deviceConfigurations.append(try ModelImporter.encode(device))
    }
    return node
  }

  // MARK: Tensors

  /// - Parameter name: how messages call the tensor when it has no name of its own.
  /// - Parameter weights: where the elements are when they were left in the file, at `index`.
  mutating func tensor(
    _ message: Onnx_TensorProto, name: String, in weights: FileWeights? = nil, _ index: Int = 0
  ) throws(GraphError) -> Tensor {
    do throws(ONNXFormatError) {
      if let weights, let range = weights.ranges[index] {
        return try decoder.tensor(message, mapped: weights.file, range)
      }
      return try decoder.tensor(message)
    } catch {
      let error = GraphError(error)
      if case .invalidTensor("", let reason) = error { throw .invalidTensor(name: name, reason: reason) }
      throw error
    }
  }

  mutating func sparseTensor(
    _ message: Onnx_SparseTensorProto, name: String
  ) throws(GraphError) -> SparseTensor {
    SparseTensor(
      shape: Shape(message.dims.map(Int.init)), values: try tensor(message.values, name: name),
      indices: try tensor(message.indices, name: name))
  }

  private mutating func dense(_ sparse: SparseTensor, name: String) throws(GraphError) -> Tensor {
    let bytes = sparse.shape.checkedElementCount.flatMap { sparse.values.type.byteCount(elements: $0) }
    do throws(ONNXFormatError) {
      // An overflowing shape is refused by `dense`.
      try decoder.reserve(bytes ?? 0)
    } catch {
      throw .invalidTensor(name: name, reason: "expanded, \(error)")
    }
    return try sparse.dense(name: name)
  }
}
