public import Tensors

/// What can be wrong with the bytes of a model or tensor file.
public enum ONNXFormatError: Error, Equatable, Sendable {
  case file(FileError)
  /// The bytes are no such message; the text says what is wrong with them.
  case malformed(String)
  case tooLarge(bytes: Int, limit: Int)
  case tooDeep(limit: Int)
  case tooManyMessages(limit: Int)
  /// The number of an element type that ONNX does not have, or that tensors cannot have.
  case unknownElementType(tensor: String, number: Int)
  case invalidTensor(tensor: String, reason: String)
  /// A tensor's external data: a path that leaves the model's directory, a link, a range outside the file …
  case externalData(tensor: String, reason: String)
}

extension ONNXFormatError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .malformed(let reason): "not a valid ONNX file: \(reason)"
    case .tooLarge(let bytes, let limit): "\(bytes) bytes are more than the limit of \(limit)"
    case .tooDeep(let limit): "messages are nested deeper than \(limit)"
    case .tooManyMessages(let limit): "more than \(limit) messages or list entries"
    case .unknownElementType(let tensor, let number): "tensor '\(tensor)': unknown element type \(number)"
    case .invalidTensor(let tensor, let reason): "tensor '\(tensor)': \(reason)"
    case .externalData(let tensor, let reason): "tensor '\(tensor)': external data: \(reason)"
    }
  }
}
