#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif
internal import Tensors

/// The fields of `TensorProto` that can hold elements: one field per kind of number, shared by several types.
struct TypedFields {
  private let message: Onnx_TensorProto

  init(_ message: Onnx_TensorProto) { self.message = message }

  /// How many of the fields hold anything.
  var used: Int {
    let isUsed = [
      !message.rawData.isEmpty, !message.floatData.isEmpty, !message.int32Data.isEmpty,
      !message.int64Data.isEmpty, !message.doubleData.isEmpty, !message.uint64Data.isEmpty,
      !message.stringData.isEmpty,
    ]
    return isUsed.count { $0 }
  }

  /// Bytes of tensor elements in the field that `type` uses, or in `raw_data`.
  /// - Throws: `ONNXFormatError.invalidTensor` when only other fields hold anything.
  func byteCount(of type: ElementType) throws(ONNXFormatError) -> Int {
    if used == 0 { return 0 }
    if !message.rawData.isEmpty { return message.rawData.count }
    let bytes: Int
    switch type {
    case .float32, .complex64: bytes = message.floatData.count * 4
    case .float64, .complex128: bytes = message.doubleData.count * 8
    case .int64: bytes = message.int64Data.count * 8
    case .uint64: bytes = message.uint64Data.count * 8
    case .uint32: bytes = message.uint64Data.count * 4
    case .int32: bytes = message.int32Data.count * 4
    case .int16, .uint16, .float16, .bfloat16: bytes = message.int32Data.count * 2
    // One entry per byte, so several elements of the packed types.
    default: bytes = message.int32Data.count
    }
    if bytes == 0 {
      throw .invalidTensor(tensor: message.name, reason: "elements in a field that \(type.name) does not use")
    }
    return bytes
  }

  /// Fills `tensor` from the field that its type uses, which has as many entries as `byteCount(of:)` says.
  /// - Throws: `ONNXFormatError.invalidTensor` when an entry is out of the type's range.
  func copy(to tensor: inout Tensor) throws(ONNXFormatError) {
    switch tensor.type {
    case .float32, .complex64: copyBytes(message.floatData, to: &tensor)
    case .float64, .complex128: copyBytes(message.doubleData, to: &tensor)
    case .int64: copyBytes(message.int64Data, to: &tensor)
    case .uint64: copyBytes(message.uint64Data, to: &tensor)
    case .int32: copyBytes(message.int32Data, to: &tensor)
    case .uint32: try narrow(message.uint64Data, to: UInt32.self, &tensor)
    case .int16: try narrow(message.int32Data, to: Int16.self, &tensor)
    case .uint16, .float16, .bfloat16: try narrow(message.int32Data, to: UInt16.self, &tensor)
    case .int8: try narrow(message.int32Data, to: Int8.self, &tensor)
    default: try narrow(message.int32Data, to: UInt8.self, &tensor)
    }
  }

  private func copyBytes<Entry: BitwiseCopyable>(_ entries: [Entry], to tensor: inout Tensor) {
    entries.withUnsafeBytes { source in tensor.withMutableBytes { $0.copyMemory(from: source) } }
  }

  private func narrow<Entry: FixedWidthInteger, Element: FixedWidthInteger & BitwiseCopyable>(
    _ entries: [Entry], to _: Element.Type, _ tensor: inout Tensor
  ) throws(ONNXFormatError) {
    let misfit = tensor.withMutableBytes { bytes -> Int? in
      let elements = bytes.bindMemory(to: Element.self)
      for (index, entry) in entries.enumerated() {
        guard let element = Element(exactly: entry) else { return index }
        elements[index] = element
      }
      return nil
    }
    if let misfit {
      throw .invalidTensor(
        tensor: message.name, reason: "element \(misfit), \(entries[misfit]), is out of range")
    }
  }
}
