import ONNXFormat
import Tensors

/// Makes value types of `TypeProto`s.
enum TypeImport {
  /// The type, or nil when the file leaves it open.
  /// - Parameter name: of the value, for messages.
  static func type(_ message: Onnx_TypeProto, of name: String) throws(GraphError) -> ValueType? {
    switch message.value {
    case .tensorType(let tensor):
      guard let element = try element(tensor.elemType, of: name) else { return nil }
      return .tensor(TensorType(element, tensor.hasShape ? dimensions(tensor.shape) : nil))
    case .sparseTensorType(let tensor):
      guard let element = try element(tensor.elemType, of: name) else { return nil }
      return .sparseTensor(TensorType(element, tensor.hasShape ? dimensions(tensor.shape) : nil))
    case .sequenceType(let sequence):
      return try type(sequence.elemType, of: name).map(ValueType.sequence)
    case .optionalType(let optional):
      return try type(optional.elemType, of: name).map(ValueType.optional)
    case .mapType(let map):
      guard let key = try element(map.keyType, of: name), let value = try type(map.valueType, of: name) else {
        return nil
      }
      return .map(key: key, value: value)
    case .opaqueType(let opaque): return .opaque(domain: opaque.domain, name: opaque.name)
    case nil: return nil
    }
  }

  /// The type, which must be there.
  static func required(_ message: Onnx_TypeProto, of name: String) throws(GraphError) -> ValueType {
    guard let type = try type(message, of: name) else {
      throw .invalidGraph(reason: "\(name): the type is incomplete")
    }
    return type
  }

  /// What a tensor and its axes mean, when the file says so.
  static func denotations(_ message: Onnx_TypeProto) -> (type: String, dimensions: [String])? {
    let dimensions = message.tensorType.shape.dim.map(\.denotation)
    let isEmpty = dimensions.allSatisfy(\.isEmpty)
    if message.denotation.isEmpty && isEmpty { return nil }
    return (message.denotation, isEmpty ? [] : dimensions)
  }

  private static func element(_ number: Int32, of name: String) throws(GraphError) -> ElementType? {
    if number == 0 { return nil }
    guard let element = ElementType(onnxNumber: Int(number)) else {
      throw .invalidGraph(reason: "value '\(name)': unknown element type \(number)")
    }
    return element
  }

  /// What exporters write for any extent they do not know: two of them need not be equal.
  private static func isPlaceholder(_ name: String) -> Bool { ["", "?", "-1", "None", "*"].contains(name) }

  private static func dimensions(_ shape: Onnx_TensorShapeProto) -> [Dimension] {
    shape.dim.map { dimension in
      switch dimension.value {
      // Some exporters write -1 for what they do not know.
      case .dimValue(let extent): extent < 0 ? .unknown : .known(Int(extent))
      case .dimParam(let name): isPlaceholder(name) ? .unknown : .symbol(name)
      case nil: .unknown
      }
    }
  }
}
