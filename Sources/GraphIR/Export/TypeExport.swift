import ONNXFormat
import Tensors

/// Makes `TypeProto`s of value types.
enum TypeExport {
  static func message(_ type: ValueType, annotations: ValueAnnotations? = nil) -> Onnx_TypeProto {
    var message = Onnx_TypeProto()
    switch type {
    case .tensor(let tensor):
      message.tensorType.elemType = Int32(tensor.element.onnxNumber)
      if let dimensions = tensor.dimensions {
        message.tensorType.shape = shape(dimensions, annotations?.dimensionDenotations ?? [])
      }
    case .sparseTensor(let tensor):
      message.sparseTensorType.elemType = Int32(tensor.element.onnxNumber)
      if let dimensions = tensor.dimensions { message.sparseTensorType.shape = shape(dimensions, []) }
    case .sequence(let element): message.sequenceType.elemType = self.message(element)
    case .optional(let element): message.optionalType.elemType = self.message(element)
    case .map(let key, let value):
      message.mapType.keyType = Int32(key.onnxNumber)
      message.mapType.valueType = self.message(value)
    case .opaque(let domain, let name):
      message.opaqueType.domain = domain
      message.opaqueType.name = name
    }
    if let denotation = annotations?.typeDenotation, !denotation.isEmpty { message.denotation = denotation }
    return message
  }

  private static func shape(_ dimensions: [Dimension], _ denotations: [String]) -> Onnx_TensorShapeProto {
    var message = Onnx_TensorShapeProto()
    message.dim = dimensions.enumerated().map { axis, dimension in
      var message = Onnx_TensorShapeProto.Dimension()
      switch dimension {
      case .known(let extent): message.dimValue = Int64(extent)
      case .symbol(let name): message.dimParam = name
      case .unknown: break
      }
      if axis < denotations.count && !denotations[axis].isEmpty { message.denotation = denotations[axis] }
      return message
    }
    return message
  }
}
