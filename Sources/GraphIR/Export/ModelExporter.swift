import ONNXFormat
import Tensors

/// Makes a `ModelProto` of a `Model`.
enum ModelExporter {
  /// - Throws: `GraphError`.
  static func message(_ model: Model, tensors: some TensorStorage) throws(GraphError) -> Onnx_ModelProto {
    var message = Onnx_ModelProto()
    message.irVersion = Int64(model.irVersion)
    message.opsetImport = opsets(model.opsets)
    if !model.producerName.isEmpty { message.producerName = model.producerName }
    if !model.producerVersion.isEmpty { message.producerVersion = model.producerVersion }
    if !model.domain.isEmpty { message.domain = model.domain }
    if model.modelVersion != 0 { message.modelVersion = Int64(model.modelVersion) }
    if !model.documentation.isEmpty { message.docString = model.documentation }
    message.metadataProps = metadata(model.metadata)
    message.trainingInfo = try decode(model.trainingInfo)
    message.configuration = try decode(model.deviceConfigurations)
    var exporter = GraphExporter(irVersion: model.irVersion, tensors: tensors)
    for function in model.functions { message.functions.append(try exporter.function(function)) }
    message.graph = try exporter.graph(model.graph)
    return message
  }

  /// Bytes of all initializers of the main graph.
  static func tensorBytes(_ model: Model) -> Int {
    model.graph.values.reduce(0) { $0 + ($1.constant?.byteCount ?? 0) }
  }

  static func opsets(_ opsets: [String: Int]) -> [Onnx_OperatorSetIdProto] {
    opsets.sorted { $0.key < $1.key }.map { domain, version in
      var message = Onnx_OperatorSetIdProto()
      message.domain = domain
      message.version = Int64(version)
      return message
    }
  }

  static func metadata(_ entries: [MetadataEntry]) -> [Onnx_StringStringEntryProto] {
    entries.map { entry in
      var message = Onnx_StringStringEntryProto()
      message.key = entry.key
      message.value = entry.value
      return message
    }
  }

  /// Messages that were carried through as bytes.
  static func decode<Message: ONNXMessage>(_ messages: [[UInt8]]) throws(GraphError) -> [Message] {
    var decoded: [Message] = []
    for bytes in messages {
      do throws(ONNXFormatError) {
        decoded.append(try ModelFile.decodeTrusted(bytes, as: Message.self))
      } catch {
        throw GraphError(error)
      }
    }
    return decoded
  }
}
