#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif
package import Tensors

/// Makes tensors of `TensorProto` messages, and keeps count of what the tensors of one file take.
package struct TensorDecoder {
  private let limits: LoadLimits
  private var files: ExternalFiles
  private var tensorBytes = 0

  /// - Parameter directory: where external data lies; nil when there is none.
  package init(directory: String?, limits: LoadLimits) {
    self.limits = limits
    self.files = ExternalFiles(directory: directory)
  }

  /// The tensor of `message`, whose elements were left in the model's file: the bytes `range` of `file`.
  /// - Throws: as `tensor(_:)`.
  package mutating func tensor(
    _ message: Onnx_TensorProto, mapped file: MappedFile, _ range: Range<Int>
  ) throws(ONNXFormatError) -> Tensor {
    let type = ElementType(onnxDataType: Int(message.dataType))
    if message.dataLocation == .external || message.hasSegment || TypedFields(message).used > 0 || type == nil
      || type == .string || type == .bool
    {
      // Rare, or an error: as if the elements had never been left out.
      var whole = message
      whole.rawData = Data(file.bytes[range])
      return try tensor(whole)
    }
    let (shape, byteCount) = try extent(message, type!)
    return try mapped(message.name, type!, shape, byteCount, file, range)
  }

  private mutating func mapped(
    _ name: String, _ type: ElementType, _ shape: Shape, _ byteCount: Int, _ file: MappedFile,
    _ range: Range<Int>
  ) throws(ONNXFormatError) -> Tensor {
    if range.count != byteCount {
      throw .invalidTensor(
        tensor: name,
        reason: "\(type.name) \(shape) takes \(byteCount) bytes, but \(range.count) are present")
    }
    try reserve(byteCount)
    do {
      return try Tensor(type: type, shape: shape, mapped: file, range)
    } catch {
      throw .invalidTensor(tensor: name, reason: "\(error)")
    }
  }

  private func extent(_ message: Onnx_TensorProto, _ type: ElementType) throws(ONNXFormatError) -> (
    Shape, Int
  ) {
    let shape = Shape(message.dims.map(Int.init))
    guard let count = shape.checkedElementCount, let byteCount = type.byteCount(elements: count) else {
      throw .invalidTensor(
        tensor: message.name,
        reason: "shape \(shape) has a negative extent or more elements than can be counted")
    }
    return (shape, byteCount)
  }

  /// The tensor that `message` holds. Its shape is checked against the bytes that are present before memory is
  /// taken.
  /// - Throws: `ONNXFormatError.unknownElementType`, `.invalidTensor`, `.externalData`, `.tooLarge`, `.file`.
  package mutating func tensor(_ message: Onnx_TensorProto) throws(ONNXFormatError) -> Tensor {
    let name = message.name
    guard let type = ElementType(onnxDataType: Int(message.dataType)) else {
      throw .unknownElementType(tensor: name, number: Int(message.dataType))
    }
    let (shape, byteCount) = try extent(message, type)
    if message.hasSegment { throw .invalidTensor(tensor: name, reason: "segments are not supported") }
    if message.dataLocation == .external {
      return try external(message, type: type, shape: shape, byteCount: byteCount)
    }
    let fields = TypedFields(message)
    if fields.used > 1 { throw .invalidTensor(tensor: name, reason: "elements in more than one field") }
    if type == .string {
      return try strings(message, fields: fields, shape: shape, count: shape.elementCount)
    }

    let present = try fields.byteCount(of: type)
    if present != byteCount {
      throw .invalidTensor(
        tensor: name,
        reason: "\(type.name) \(shape) takes \(byteCount) bytes, but \(present) are present")
    }
    try reserve(byteCount)
    var tensor = try make(type, shape, name: name)
    if message.hasRawData && !message.rawData.isEmpty {
      let raw = message.rawData
      raw.withUnsafeBytes { source in tensor.withMutableBytes { $0.copyMemory(from: source) } }
    } else if byteCount > 0 {
      try fields.copy(to: &tensor)
    }
    return try canonical(tensor, name: name)
  }

  /// Counts `bytes` more towards what the file's tensors may take together.
  /// - Throws: `ONNXFormatError.tooLarge`.
  package mutating func reserve(_ bytes: Int) throws(ONNXFormatError) {
    let (sum, overflow) = tensorBytes.addingReportingOverflow(bytes)
    if overflow || sum > limits.tensorBytes {
      throw .tooLarge(bytes: overflow ? Int.max : sum, limit: limits.tensorBytes)
    }
    tensorBytes = sum
  }

  private mutating func external(
    _ message: Onnx_TensorProto, type: ElementType, shape: Shape, byteCount: Int
  ) throws(ONNXFormatError) -> Tensor {
    let name = message.name
    if type == .string { throw .externalData(tensor: name, reason: "strings cannot be external") }
    let range = try ExternalRange(message, byteCount: byteCount)
    let file = try files.file(at: range.location, tensor: name)
    let (end, overflow) = range.offset.addingReportingOverflow(byteCount)
    if overflow || end > file.count {
      throw .externalData(
        tensor: name,
        reason:
          "\(byteCount) bytes at \(range.offset) are not in '\(range.location)', which has \(file.count)")
    }
    if byteCount >= LiftedWeights.minimumBytes && type != .bool {
      return try mapped(name, type, shape, byteCount, file, range.offset..<end)
    }
    try reserve(byteCount)
    var tensor = try make(type, shape, name: name)
    tensor.withMutableBytes {
      $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: file.bytes[range.offset..<end]))
    }
    return try canonical(tensor, name: name)
  }

  private mutating func strings(
    _ message: Onnx_TensorProto, fields: TypedFields, shape: Shape, count: Int
  ) throws(ONNXFormatError) -> Tensor {
    let name = message.name
    if message.stringData.count != count || (fields.used > 0 && message.stringData.isEmpty) {
      throw .invalidTensor(
        tensor: name,
        reason: "string \(shape) has \(count) elements, but \(message.stringData.count) are present")
    }
    var strings: [String] = []
    strings.reserveCapacity(count)
    for data in message.stringData {
      guard let text = String(validating: data, as: UTF8.self) else {
        throw .invalidTensor(tensor: name, reason: "element \(strings.count) is not UTF-8")
      }
      strings.append(text)
    }
    do {
      return try Tensor(shape: shape, strings: strings)
    } catch {
      throw .invalidTensor(tensor: name, reason: "\(error)")
    }
  }

  private func make(
    _ type: ElementType, _ shape: Shape, name: String
  ) throws(ONNXFormatError) -> Tensor {
    do {
      return try Tensor(type: type, shape: shape)
    } catch {
      throw .invalidTensor(tensor: name, reason: "\(error)")
    }
  }

  /// Booleans other than 0 and 1 would be undefined behaviour in Swift; files may hold any byte.
  private func canonical(_ tensor: Tensor, name: String) throws(ONNXFormatError) -> Tensor {
    if tensor.type != .bool { return tensor }
    var tensor = tensor
    tensor.withMutableBytes { bytes in
      for index in bytes.indices where bytes[index] > 1 { bytes[index] = 1 }
    }
    return tensor
  }
}
