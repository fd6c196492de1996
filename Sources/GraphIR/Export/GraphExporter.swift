import ONNXFormat
import Tensors

/// Makes `GraphProto`s of graphs: ids become names, captured values the names they have outside.
struct GraphExporter<Storage: TensorStorage> {
  private let irVersion: Int
  private let tensors: Storage
  /// The names of the values of the graphs around the one being written, outermost first.
  private var scopes: [[String]] = []

  init(irVersion: Int, tensors: Storage) {
    self.irVersion = irVersion
    self.tensors = tensors
  }

  /// - Throws: `GraphError`.
  mutating func graph(_ graph: Graph) throws(GraphError) -> Onnx_GraphProto {
    let names = try names(of: graph)
    scopes.append(names)
    defer { scopes.removeLast() }
    var message = Onnx_GraphProto()
    message.name = graph.name
    if !graph.documentation.isEmpty { message.docString = graph.documentation }
    message.metadataProps = ModelExporter.metadata(graph.metadata)
    message.quantizationAnnotation = annotations(graph, names: Set(names))

    let providers = Providers(graph)
    var inputs = graph.inputs
    for (index, value) in graph.values.enumerated() where providers.isInitializer[index] {
      try addInitializer(value, name: names[index], to: &message)
      // Before IR 4 every initializer had to be an input too.
      let id = ValueID(index)
      if irVersion < 4 && !inputs.contains(id) { inputs.append(id) }
    }
    message.input = inputs.map { info($0, graph, name: names[Int($0.index)]) }
    message.output = graph.outputs.map { info($0, graph, name: names[Int($0.index)]) }
    let declared = Set(inputs + graph.outputs)
    for index in graph.values.indices
    where providers.isNodeOutput[index] && !declared.contains(ValueID(index)) {
      let value = graph.values[index]
      if value.type == nil && value.annotations == nil { continue }
      message.valueInfo.append(info(ValueID(index), graph, name: names[index]))
    }
    for node in graph.nodes { message.node.append(try self.node(node, names: names)) }
    return message
  }

  /// - Throws: `GraphError`.
  mutating func function(_ function: Function) throws(GraphError) -> Onnx_FunctionProto {
    let body = function.body
    let names = try names(of: body)
    scopes.append(names)
    defer { scopes.removeLast() }
    var message = Onnx_FunctionProto()
    message.name = function.op.type
    message.domain = function.op.domain
    if !function.overload.isEmpty { message.overload = function.overload }
    message.opsetImport = ModelExporter.opsets(function.opsets)
    message.attribute = function.attributeNames
    message.attributeProto = try attributes(function.defaultAttributes)
    message.input = body.inputs.map { names[Int($0.index)] }
    message.output = body.outputs.map { names[Int($0.index)] }
    if !body.documentation.isEmpty { message.docString = body.documentation }
    message.metadataProps = ModelExporter.metadata(body.metadata)
    for index in body.values.indices {
      let value = body.values[index]
      if value.type == nil && value.annotations == nil { continue }
      message.valueInfo.append(info(ValueID(index), body, name: names[index]))
    }
    // A function has no initializers: constants become nodes before the others.
    let providers = Providers(body)
    for (index, value) in body.values.enumerated() where providers.isInitializer[index] {
      guard let constant = value.constant else { continue }
      let node = Node(
        op: "Constant", inputs: [], outputs: [ValueID(index)], attributes: ["value": .tensor(constant)])
      message.node.append(try self.node(node, names: names))
    }
    for node in body.nodes { message.node.append(try self.node(node, names: names)) }
    return message
  }

  // MARK: Values

  /// The names that `graph`'s values have in the file, by index.
  private func names(of graph: Graph) throws(GraphError) -> [String] {
    var names = graph.values.map(\.name)
    for capture in graph.captures {
      guard let outer = scopes.last else {
        throw .invalidGraph(reason: "graph '\(graph.name)' captures values, but nothing is around it")
      }
      names[Int(capture.inner.index)] = outer[Int(capture.outer.index)]
    }
    var seen: Set<String> = []
    for name in names {
      if name.isEmpty { throw .invalidGraph(reason: "graph '\(graph.name)' has a value without a name") }
      if !seen.insert(name).inserted { throw .duplicateValue(graph: graph.name, value: name) }
    }
    return names
  }

  private func info(_ id: ValueID, _ graph: Graph, name: String) -> Onnx_ValueInfoProto {
    let value = graph[id]
    var message = Onnx_ValueInfoProto()
    message.name = name
    if let type = value.type { message.type = TypeExport.message(type, annotations: value.annotations) }
    guard let annotations = value.annotations else { return message }
    if !annotations.documentation.isEmpty { message.docString = annotations.documentation }
    message.metadataProps = ModelExporter.metadata(annotations.metadata)
    return message
  }

  private func addInitializer(
    _ value: Value, name: String, to message: inout Onnx_GraphProto
  ) throws(GraphError) {
    guard let constant = value.constant else { return }
    if let sparse = value.sparseConstant, (try? sparse.dense(name: name)) == constant {
      message.sparseInitializer.append(Self.sparse(sparse, name: name))
      return
    }
    var tensor = try tensors.message(constant, name: name)
    if let annotations = value.annotations {
      if !annotations.documentation.isEmpty { tensor.docString = annotations.documentation }
      tensor.metadataProps = ModelExporter.metadata(annotations.metadata)
    }
    message.initializer.append(tensor)
  }

  static func sparse(_ sparse: SparseTensor, name: String) -> Onnx_SparseTensorProto {
    var message = Onnx_SparseTensorProto()
    message.dims = sparse.shape.dimensions.map(Int64.init)
    message.values = TensorEncoder.message(sparse.values, name: name)
    message.indices = TensorEncoder.message(sparse.indices, name: "")
    return message
  }

  /// Those whose values are all still there.
  private func annotations(_ graph: Graph, names: Set<String>) -> [Onnx_TensorAnnotation] {
    graph.quantizationAnnotations.compactMap { annotation in
      let all = [annotation.valueName] + annotation.parameters.map(\.value)
      if !all.allSatisfy(names.contains) { return nil }
      var message = Onnx_TensorAnnotation()
      message.tensorName = annotation.valueName
      message.quantParameterTensorNames = ModelExporter.metadata(annotation.parameters)
      return message
    }
  }

  // MARK: Nodes

  private mutating func node(_ node: Node, names: [String]) throws(GraphError) -> Onnx_NodeProto {
    var message = Onnx_NodeProto()
    message.input = node.inputs.map { $0.isNone ? "" : names[Int($0.index)] }
    message.output = node.outputs.map { $0.isNone ? "" : names[Int($0.index)] }
    if !node.name.isEmpty { message.name = node.name }
    message.opType = node.op.type
    if !node.op.domain.isEmpty { message.domain = node.op.domain }
    if !node.overload.isEmpty { message.overload = node.overload }
    message.attribute = try attributes(node.attributes)
    if !node.documentation.isEmpty { message.docString = node.documentation }
    message.metadataProps = ModelExporter.metadata(node.metadata)
    message.deviceConfigurations = try ModelExporter.decode(node.deviceConfigurations)
    return message
  }
}

/// What provides each value of a graph.
private struct Providers {
  private(set) var isNodeOutput: [Bool]
  /// Values with elements that neither a node nor an enclosing graph provides.
  private(set) var isInitializer: [Bool]

  init(_ graph: Graph) {
    isNodeOutput = [Bool](repeating: false, count: graph.values.count)
    isInitializer = graph.values.map { $0.constant != nil }
    for node in graph.nodes {
      for output in node.outputs where !output.isNone {
        isNodeOutput[Int(output.index)] = true
        isInitializer[Int(output.index)] = false
      }
    }
    for capture in graph.captures { isInitializer[Int(capture.inner.index)] = false }
  }
}
