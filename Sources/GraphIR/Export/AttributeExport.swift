import ONNXFormat
import Tensors

extension GraphExporter {
  /// - Throws: `GraphError`.
  mutating func attributes(_ attributes: Attributes) throws(GraphError) -> [Onnx_AttributeProto] {
    var messages: [Onnx_AttributeProto] = []
    for (name, value) in attributes.entries {
      var message = try attribute(value)
      message.name = name
      if let tensorName = attributes.tensorNames[name], message.hasT { message.t.name = tensorName }
      if let documentation = attributes.documentation[name] { message.docString = documentation }
      messages.append(message)
    }
    return messages
  }

  private mutating func attribute(_ value: Attribute) throws(GraphError) -> Onnx_AttributeProto {
    var message = Onnx_AttributeProto()
    message.type = Onnx_AttributeProto.AttributeType(rawValue: value.kind.rawValue) ?? .undefined
    switch value {
    case .int(let int): message.i = Int64(int)
    case .float(let float): message.f = float
    case .string(let string): message.stringBytes = Array(string.utf8)
    case .bytes(let bytes): message.stringBytes = bytes
    case .tensor(let tensor): message.t = TensorEncoder.message(tensor, name: "")
    case .sparseTensor(let tensor): message.sparseTensor = Self.sparse(tensor, name: "")
    case .graph(let graph): message.g = try self.graph(graph)
    case .type(let type): message.tp = TypeExport.message(type)
    case .ints(let ints): message.ints = ints.map(Int64.init)
    case .floats(let floats): message.floats = floats
    case .strings(let strings): message.stringsBytes = strings.map { Array($0.utf8) }
    case .tensors(let tensors): message.tensors = tensors.map { TensorEncoder.message($0, name: "") }
    case .sparseTensors(let tensors): message.sparseTensors = tensors.map { Self.sparse($0, name: "") }
    case .graphs(let graphs):
      for graph in graphs { message.graphs.append(try self.graph(graph)) }
    case .types(let types): message.typeProtos = types.map { TypeExport.message($0) }
    case .reference(let name, _): message.refAttrName = name
    }
    return message
  }
}

extension Attribute {
  public var kind: AttributeKind {
    switch self {
    case .int: .int
    case .float: .float
    case .string, .bytes: .string
    case .tensor: .tensor
    case .sparseTensor: .sparseTensor
    case .graph: .graph
    case .type: .type
    case .ints: .ints
    case .floats: .floats
    case .strings: .strings
    case .tensors: .tensors
    case .sparseTensors: .sparseTensors
    case .graphs: .graphs
    case .types: .types
    case .reference(_, let kind): kind
    }
  }
}
