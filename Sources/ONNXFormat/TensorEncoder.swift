#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif
package import Tensors

/// Makes `TensorProto` messages of tensors.
package enum TensorEncoder {
  /// The message for `tensor`: elements as `raw_data`, bit by bit, or as `string_data`.
  package static func message(_ tensor: Tensor, name: String) -> Onnx_TensorProto {
    var message = header(tensor, name: name)
    if let strings = tensor.strings {
      message.stringData = strings.map { Data($0.utf8) }
    } else {
      message.rawData = tensor.withUnalignedBytes { Data($0) }
    }
    return message
  }

  /// The message for `tensor` whose elements lie in another file.
  package static func external(
    _ tensor: Tensor, name: String, location: String, offset: Int
  ) -> Onnx_TensorProto {
    var message = header(tensor, name: name)
    message.dataLocation = .external
    message.externalData = [
      entry("location", location), entry("offset", String(offset)),
      entry("length", String(tensor.byteCount)),
    ]
    return message
  }

  private static func header(_ tensor: Tensor, name: String) -> Onnx_TensorProto {
    var message = Onnx_TensorProto()
    message.dims = tensor.shape.dimensions.map(Int64.init)
    message.dataType = Int32(tensor.type.onnxDataType)
    if !name.isEmpty { message.name = name }
    return message
  }

  private static func entry(_ key: String, _ value: String) -> Onnx_StringStringEntryProto {
    var entry = Onnx_StringStringEntryProto()
    entry.key = key
    entry.value = value
    return entry
  }
}
