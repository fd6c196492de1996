package import SwiftProtobuf
internal import Tensors

/// Model files as messages.
package enum ModelFile {
  /// The most bytes that a protobuf message can have.
  package static let maximumBytes = Int(Int32.max)

  /// The file at `path`, in memory as it is read.
  static func map(path: String) throws(ONNXFormatError) -> MappedFile {
    do throws(FileError) {
      return try FileBytes.map(path: path)
    } catch {
      throw .file(error)
    }
  }

  /// - Throws: `ONNXFormatError`.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, limits: LoadLimits
  ) throws(ONNXFormatError) -> Onnx_ModelProto {
    if bytes.isEmpty { throw .malformed("the file is empty") }
    return try decode(bytes, as: .model, limits: limits)
  }

  /// The message without the elements of large initializers of its main graph, and where these lie.
  /// - Throws: `ONNXFormatError`.
  package static func decodeLifting(
    _ bytes: UnsafeRawBufferPointer, limits: LoadLimits
  ) throws(ONNXFormatError) -> (model: Onnx_ModelProto, weights: LiftedWeights) {
    if bytes.isEmpty { throw .malformed("the file is empty") }
    try WireScan.check(bytes, as: .model, limits: limits)
    let weights = try LiftedWeights(bytes)
    let result = weights.rest.withUnsafeBytes { rest in
      Result { () throws(ONNXFormatError) in try decodeChecked(rest, as: Onnx_ModelProto.self, limits: limits)
      }
    }
    return (try result.get(), weights)
  }

  /// - Throws: `ONNXFormatError.tooLarge` when the message has more than `maximumBytes` bytes.
  package static func encode(_ message: some SwiftProtobuf.Message) throws(ONNXFormatError) -> [UInt8] {
    let bytes: [UInt8]
    do {
      bytes = try message.serializedBytes(partial: true)
    } catch {
      throw .malformed("\(error)")
    }
    if bytes.count > maximumBytes { throw .tooLarge(bytes: bytes.count, limit: maximumBytes) }
    return bytes
  }

  /// A message that `encode` wrote before.
  package static func decodeTrusted<M: SwiftProtobuf.Message>(
    _ bytes: [UInt8], as _: M.Type
  ) throws(ONNXFormatError) -> M {
    do {
      return try M(serializedBytes: bytes)
    } catch {
      throw .malformed("\(error)")
    }
  }

  static func decode<M: SwiftProtobuf.Message>(
    _ bytes: UnsafeRawBufferPointer, as message: WireMessage, limits: LoadLimits
  ) throws(ONNXFormatError) -> M {
    try WireScan.check(bytes, as: message, limits: limits)
    return try decodeChecked(bytes, as: M.self, limits: limits)
  }

  private static func decodeChecked<M: SwiftProtobuf.Message>(
    _ bytes: UnsafeRawBufferPointer, as _: M.Type, limits: LoadLimits
  ) throws(ONNXFormatError) -> M {
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = limits.depth
    do {
      return try M(serializedBytes: bytes.bytes, options: options)
    } catch BinaryDecodingError.invalidUTF8 {
      throw .malformed("a name or other text is not UTF-8")
    } catch {
      throw .malformed("\(error)")
    }
  }
}
