import ONNXFormat
import Tensors

extension GraphImporter {
  /// - Parameters:
  ///   - node: how messages call the node.
  /// - Throws: `GraphError`.
  mutating func attributes(
    _ messages: [Onnx_AttributeProto], node: String, op: OperatorName
  ) throws(GraphError) -> Attributes {
    var attributes: Attributes = [:]
    for message in messages {
      func refuse(_ reason: String) -> GraphError {
        .invalidNode(name: node, op: op.description, reason: "attribute '\(message.name)' \(reason)")
      }
      if message.name.isEmpty { throw refuse("has no name") }
      if attributes[message.name] != nil { throw refuse("is given twice") }
      guard let kind = Self.kind(message) else { throw refuse("has no type") }
      if message.refAttrName.isEmpty {
        let owner = "\(node), attribute \(message.name)"
        guard let value = try value(message, kind: kind, owner: owner) else {
          throw refuse("has strings that are not UTF-8")
        }
        attributes[message.name] = value
      } else {
        attributes[message.name] = .reference(name: message.refAttrName, kind: kind)
      }
      if message.hasT && !message.t.name.isEmpty { attributes.tensorNames[message.name] = message.t.name }
      if !message.docString.isEmpty { attributes.documentation[message.name] = message.docString }
    }
    return attributes
  }

  /// The declared type or, in files that leave it out, the one whose field is filled.
  private static func kind(_ message: Onnx_AttributeProto) -> AttributeKind? {
    if message.type != .undefined { return AttributeKind(rawValue: message.type.rawValue) }
    if message.hasF { return .float }
    if message.hasI { return .int }
    if message.hasS { return .string }
    if message.hasT { return .tensor }
    if message.hasG { return .graph }
    if message.hasTp { return .type }
    if message.hasSparseTensor { return .sparseTensor }
    if !message.floats.isEmpty { return .floats }
    if !message.ints.isEmpty { return .ints }
    if !message.strings.isEmpty { return .strings }
    if !message.tensors.isEmpty { return .tensors }
    if !message.graphs.isEmpty { return .graphs }
    return nil
  }

  private mutating func value(
    _ message: Onnx_AttributeProto, kind: AttributeKind, owner: String
  ) throws(GraphError) -> Attribute? {
    switch kind {
    case .float: return .float(message.f)
    case .int: return .int(Int(message.i))
    case .string:
      let bytes = message.stringBytes
      return String(validating: bytes, as: UTF8.self).map(Attribute.string) ?? .bytes(bytes)
    case .tensor: return .tensor(try tensor(message.t, name: owner))
    case .graph: return .graph(try graph(message.g))
    case .floats: return .floats(message.floats)
    case .ints: return .ints(message.ints.map(Int.init))
    case .strings:
      let strings = message.stringsBytes.map { String(validating: $0, as: UTF8.self) }
      return strings.contains(nil) ? nil : .strings(strings.compactMap { $0 })
    case .tensors:
      var tensors: [Tensor] = []
      for tensor in message.tensors { tensors.append(try self.tensor(tensor, name: owner)) }
      return .tensors(tensors)
    case .graphs:
      var graphs: [Graph] = []
      for graph in message.graphs { graphs.append(try self.graph(graph)) }
      return .graphs(graphs)
    case .sparseTensor: return .sparseTensor(try sparseTensor(message.sparseTensor, name: owner))
    case .sparseTensors:
      var tensors: [SparseTensor] = []
      for tensor in message.sparseTensors { tensors.append(try sparseTensor(tensor, name: owner)) }
      return .sparseTensors(tensors)
    case .type: return .type(try TypeImport.required(message.tp, of: owner))
    case .types:
      var types: [ValueType] = []
      for type in message.typeProtos { types.append(try TypeImport.required(type, of: owner)) }
      return .types(types)
    }
  }
}
