import ONNXFormat
import Tensors

extension Model {
  /// Models whose tensors take more than this are saved with their tensors in a second file.
  public static let maximumInlineBytes = 1 << 30

  /// The bytes of an ONNX file that holds the model whole.
  /// - Throws: `GraphError.file` when they are more than the 2 GiB that such a file can have: `save` can.
  public func serialized() throws(GraphError) -> [UInt8] {
    try Self.encode(try ModelExporter.message(self, tensors: InlineTensors()))
  }

  /// Writes the model to `path`, all or nothing. Tensors that take more than `maximumInlineBytes` together go
  /// to `<path>.data` beside it, which is written first; replacing such a pair is atomic per file only.
  /// - Throws: `GraphError`.
  public func save(path: String, maximumInlineBytes: Int = Model.maximumInlineBytes) throws(GraphError) {
    if ModelExporter.tensorBytes(self) <= maximumInlineBytes {
      try Self.write(try serialized(), path: path)
    } else {
      let tensors = try ExternalTensors(path: path + ".data")
      let message = try ModelExporter.message(self, tensors: tensors)
      try tensors.commit()
      try Self.write(try Self.encode(message), path: path)
    }
  }

  private static func encode(_ message: Onnx_ModelProto) throws(GraphError) -> [UInt8] {
    do throws(ONNXFormatError) {
      return try ModelFile.encode(message)
    } catch {
      throw GraphError(error)
    }
  }

  private static func write(_ bytes: [UInt8], path: String) throws(GraphError) {
    do throws(FileError) {
      try FileBytes.write(bytes, path: path)
    } catch {
      throw .file("\(error)")
    }
  }
}
