/// What can be wrong with a tensor's shape, bytes or file.
public enum TensorError: Error, Equatable, Sendable {
  case outOfMemory(bytes: Int)
  case invalidShape(Shape)
  case byteCountMismatch(expected: Int, actual: Int)
  case elementCountMismatch(expected: Int, actual: Int)
  case typeMismatch(expected: ElementType, actual: ElementType)
  /// A `.npy` or `.npz` file that is damaged or uses what is not supported; the text says what.
  case malformedFile(String)
}

extension TensorError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .outOfMemory(let bytes): "out of memory: \(bytes) bytes"
    case .invalidShape(let shape): "shape \(shape) has a negative extent or too many elements"
    case .byteCountMismatch(let expected, let actual): "expected \(expected) bytes, got \(actual)"
    case .elementCountMismatch(let expected, let actual): "expected \(expected) elements, got \(actual)"
    case .typeMismatch(let expected, let actual): "expected \(expected.name) elements, got \(actual.name)"
    case .malformedFile(let reason): reason
    }
  }
}
