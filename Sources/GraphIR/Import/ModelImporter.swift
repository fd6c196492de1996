import ONNXFormat
import Tensors

/// Elements of the main graph's initializers that were left in the model's file, by the initializer's place.
struct FileWeights {
  let file: MappedFile
  let ranges: [Int: Range<Int>]
}

/// Makes a `Model` of a `ModelProto`.
enum ModelImporter {
  /// - Throws: `GraphError`.
  static func model(
    _ message: consuming Onnx_ModelProto, decoder: TensorDecoder, weights: FileWeights? = nil
  ) throws(GraphError) -> Model {
    let irVersion = Int(message.irVersion)
    if !Model.irVersions.contains(irVersion) { throw .unsupportedIRVersion(irVersion) }
    if !message.hasGraph { throw .file("not a valid ONNX file: it has no graph") }
    let opsets = try opsets(message.opsetImport)
    var importer = GraphImporter(opsets: opsets, irVersion: irVersion, decoder: decoder)
    // Taken out, so that the tensors' bytes can be let go of one by one.
    let graphMessage = message.graph
    message.clearGraph()

    var model = Model(
      graph: try importer.graph(graphMessage, weights: weights), irVersion: irVersion, opsets: opsets)
    model.producerName = message.producerName
    model.producerVersion = message.producerVersion
    model.domain = message.domain
    model.modelVersion = Int(message.modelVersion)
    model.documentation = message.docString
    model.metadata = GraphImporter.metadata(message.metadataProps)
    model.trainingInfo = try message.trainingInfo.map { info throws(GraphError) in try encode(info) }
    model.deviceConfigurations = try message.configuration.map { device throws(GraphError) in
      try encode(device)
    }
    model.functions = try functions(message.functions, &importer)
    return model
  }

  static func encode(_ message: some ONNXMessage) throws(GraphError) -> [UInt8] {
    do throws(ONNXFormatError) {
      return try ModelFile.encode(message)
    } catch {
      throw GraphError(error)
    }
  }

  private static func opsets(_ imports: [Onnx_OperatorSetIdProto]) throws(GraphError) -> [String: Int] {
    var opsets: [String: Int] = [:]
    for entry in imports {
      let domain = OperatorName(domain: entry.domain, type: "").domain
      let version = Int(entry.version)
      let isRefused =
        switch domain {
        case "": !Model.opsetVersions.contains(version)
        case Model.classicalDomain: !Model.classicalOpsetVersions.contains(version)
        default: false
        }
      if isRefused {
        throw .unsupportedOpset(domain: domain, version: version)
      }
      if let other = opsets[domain], other != version {
        throw .invalidGraph(reason: "opsets \(other) and \(version) of domain '\(domain)' are both imported")
      }
      opsets[domain] = version
    }
    return opsets
  }

  private static func functions(
    _ messages: [Onnx_FunctionProto], _ importer: inout GraphImporter
  ) throws(GraphError) -> [Function] {
    struct Key: Hashable { let op: OperatorName, overload: String }
    var seen: Set<Key> = []
    var functions: [Function] = []
    for message in messages {
      let op = OperatorName(domain: message.domain, type: message.name)
      if !seen.insert(Key(op: op, overload: message.overload)).inserted {
        throw .invalidGraph(reason: "function \(op) is defined twice")
      }
      let opsets = try opsets(message.opsetImport)
      importer.opsets = opsets
      var function = Function(op: op, body: try importer.functionBody(message))
      function.overload = message.overload
      function.attributeNames = message.attribute
      function.defaultAttributes = try importer.functionDefaults(message, op: op)
      function.opsets = opsets
      functions.append(function)
    }
    return functions
  }
}
