import ONNXFormat
import Tensors

extension ElementType {
  /// The element type with the number `TensorProto.DataType` gives it; nil for 0 and unknown numbers.
  public init?(onnxNumber: Int) { self.init(onnxDataType: onnxNumber) }

  /// The number that `TensorProto.DataType` gives this type.
  public var onnxNumber: Int { onnxDataType }
}
