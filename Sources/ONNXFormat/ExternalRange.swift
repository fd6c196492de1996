/// Where a tensor's external data says that its elements lie: the entries of `TensorProto.external_data`.
///
/// `checksum` and the entries of particular runtimes are not read.
struct ExternalRange {
  let location: String
  let offset: Int

  init(_ message: Onnx_TensorProto, byteCount: Int) throws(ONNXFormatError) {
    let name = message.name
    var location: String?
    var offset = 0
    for entry in message.externalData {
      switch entry.key {
      case "location": location = entry.value
      case "offset": offset = try Self.number(entry, tensor: name)
      case "length":
        let length = try Self.number(entry, tensor: name)
        if length != byteCount {
          throw .externalData(
            tensor: name, reason: "length is \(length), but the shape takes \(byteCount) bytes")
        }
      default: break
      }
    }
    guard let location else { throw .externalData(tensor: name, reason: "no location") }
    self.location = location
    self.offset = offset
  }

  private static func number(
    _ entry: Onnx_StringStringEntryProto, tensor: String
  ) throws(ONNXFormatError) -> Int {
    guard let number = Int(entry.value), number >= 0 else {
      throw .externalData(tensor: tensor, reason: "\(entry.key) '\(entry.value)' is not a number")
    }
    return number
  }
}
