import Tensors

/// Reads the body of an inference request: JSON, followed by the bytes of binary tensors.
struct V2InferReader {
  private let body: ArraySlice<UInt8>
  private let model: String
  /// Where the next binary tensor begins.
  private var tail: Int

  /// - Parameter headerLength: bytes of the JSON, the value of `Inference-Header-Content-Length`; nil when the
  ///   whole body is JSON.
  /// - Throws: `.invalidRequest`, `.invalidInput` with the place of the fault.
  static func read(
    _ body: [UInt8], headerLength: Int?, model: String, maximumDepth: Int
  ) throws(ServingError) -> V2InferRequest {
    let length = headerLength ?? body.count
    if length < 0 || length > body.count {
      throw .invalidRequest(
        reason: "inference header size should be in range (0, \(body.count)), got: \(length)")
    }
    do {
      return try JSONScanner.withScanner(body[..<length], maximumDepth: maximumDepth) { scanner in
        var reader = V2InferReader(body: body[...], model: model, tail: length)
        let request = try reader.readRequest(&scanner)
        try scanner.finish()
        try reader.finish()
        return request
      }
    } catch let error as ServingError {
      throw error
    } catch {
      throw .invalidRequest(reason: "\(error)")
    }
  }

  private func finish() throws(ServingError) {
    if tail != body.endIndex {
      throw .invalidRequest(reason: "unexpected additional input data for model '\(model)'")
    }
  }

  private mutating func readRequest(_ scanner: inout JSONScanner) throws -> V2InferRequest {
    var request = V2InferRequest()
    var seen: Set<String> = []
    try scanner.readMembers(&seen) { scanner, name in
      switch name {
      case "id": request.id = try scanner.consume("null") ? "" : scanner.readString()
      case "parameters": request.parameters = try readParameters(&scanner)
      case "inputs": request.inputs = try readInputs(&scanner)
      case "outputs": request.outputs = try scanner.consume("null") ? nil : readOutputs(&scanner)
      default: try scanner.skipValue()
      }
    }
    if !seen.contains("inputs") { throw ServingError.invalidRequest(reason: "the request has no 'inputs'") }
    for parameter in request.parameters where parameter.name.hasPrefix("triton_") {
      throw ServingError.invalidRequest(
        reason: "parameter '\(parameter.name)': names beginning with 'triton_' are reserved")
    }
    return request
  }

  /// An object of scalars.
  private func readParameters(_ scanner: inout JSONScanner) throws -> [JSONValue.Member] {
    if scanner.consume("null") { return [] }
    if scanner.next != UInt8(ascii: "{") { throw scanner.expected("an object of parameters") }
    let members = try scanner.readValue().members ?? []
    for member in members {
      switch member.value {
      case .bool, .int, .double, .string: break
      default:
        throw ServingError.invalidRequest(
          reason: "parameter '\(member.name)' must be a string, number or boolean, not \(member.value.kind)")
      }
    }
    return members
  }

  // MARK: Outputs

  private func readOutputs(_ scanner: inout JSONScanner) throws -> [V2RequestedOutput] {
    var outputs: [V2RequestedOutput] = []
    try scanner.open(UInt8(ascii: "["))
    var isFirst = true
    while try scanner.nextElement(isFirst: &isFirst) {
      outputs.append(try readOutput(&scanner, "outputs[\(outputs.count)]"))
    }
    return outputs
  }

  private func readOutput(_ scanner: inout JSONScanner, _ place: String) throws -> V2RequestedOutput {
    var name: String?
    var parameters: [JSONValue.Member] = []
    var seen: Set<String> = []
    try scanner.readMembers(&seen) { scanner, member in
      switch member {
      case "name": name = try scanner.readString()
      case "parameters": parameters = try readParameters(&scanner)
      default: try scanner.skipValue()
      }
    }
    guard let name else { throw ServingError.invalidRequest(reason: "\(place) has no 'name'") }
    var output = V2RequestedOutput(name: name)
    for parameter in parameters {
      switch (parameter.name, parameter.value) {
      case ("binary_data", .bool(let isBinary)): output.isBinary = isBinary
      case ("classification", .int(let classes)) where classes > 0: output.classes = classes
      case ("binary_data", _), ("classification", _):
        let expected = parameter.name == "binary_data" ? "true or false" : "a positive integer"
        throw ServingError.invalidRequest(
          reason: "output '\(name)': parameter '\(parameter.name)' must be \(expected)")
      default: try Self.refuseSharedMemory(parameter.name, "output '\(name)'")
      }
    }
    return output
  }

  // MARK: Inputs

  private mutating func readInputs(_ scanner: inout JSONScanner) throws -> [V2InputTensor] {
    var inputs: [V2InputTensor] = []
    try scanner.open(UInt8(ascii: "["))
    var isFirst = true
    while try scanner.nextElement(isFirst: &isFirst) {
      let input = try readInput(&scanner, "inputs[\(inputs.count)]")
      if inputs.contains(where: { $0.name == input.name }) {
        throw ServingError.invalidInput(name: input.name, reason: "given twice")
      }
      inputs.append(input)
    }
    return inputs
  }

  private mutating func readInput(_ scanner: inout JSONScanner, _ place: String) throws -> V2InputTensor {
    var fields = InputFields()
    do {
      var seen: Set<String> = []
      try scanner.readMembers(&seen) { scanner, member in
        switch member {
        case "name": fields.name = try scanner.readString()
        case "datatype": fields.type = try readDatatype(&scanner)
        case "shape": fields.shape = try readShape(&scanner)
        case "parameters": fields.parameters = try readParameters(&scanner)
        case "data": try fields.readData(&scanner)
        default: try scanner.skipValue()
        }
      }
      return try resolve(fields, &scanner, place)
    } catch let error as JSONError {
      throw ServingError.invalidRequest(
        reason: "\(fields.name.map { "input '\($0)'" } ?? place): \(error)")
    }
  }

  private func readDatatype(_ scanner: inout JSONScanner) throws(JSONError) -> ElementType {
    let start = scanner.position
    let name = try scanner.readString()
    guard let type = ElementType(v2Name: name) else {
      throw scanner.error("unknown datatype '\(name.prefix(64))'", at: start)
    }
    return type
  }

  private func readShape(_ scanner: inout JSONScanner) throws(JSONError) -> Shape {
    var extents: [Int] = []
    try scanner.open(UInt8(ascii: "["))
    var isFirst = true
    while try scanner.nextElement(isFirst: &isFirst) {
      let start = scanner.position
      let extent = try scanner.readInteger(as: Int.self)
      if extent < 0 { throw scanner.error("negative extent \(extent) in 'shape'", at: start) }
      if extents.count == 64 { throw scanner.error("'shape' has more than 64 extents", at: start) }
      extents.append(extent)
    }
    return Shape(extents)
  }

  private mutating func resolve(
    _ fields: InputFields, _ scanner: inout JSONScanner, _ place: String
  ) throws -> V2InputTensor {
    guard let name = fields.name else { throw ServingError.invalidRequest(reason: "\(place) has no 'name'") }
    guard let type = fields.type else {
      throw ServingError.invalidInput(name: name, reason: "'datatype' is missing")
    }
    guard let shape = fields.shape else {
      throw ServingError.invalidInput(name: name, reason: "'shape' is missing")
    }
    var binarySize: Int?
    for parameter in fields.parameters {
      if parameter.name == "binary_data_size" {
        guard let size = parameter.value.int, size >= 0 else {
          throw ServingError.invalidInput(name: name, reason: "'binary_data_size' must be a number of bytes")
        }
        binarySize = size
      }
      try Self.refuseSharedMemory(parameter.name, "input '\(name)'")
    }
    let hasData = fields.tensor != nil || fields.dataPosition != nil
    guard hasData != (binarySize != nil) else {
      let found = hasData ? "But both were set." : "But no field was set."
      throw ServingError.invalidInput(
        name: name,
        reason:
          "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters'. \(found)"
      )
    }
    if let binarySize {
      return V2InputTensor(name: name, tensor: try takeBinary(name, type, shape, binarySize))
    }
    if let tensor = fields.tensor { return V2InputTensor(name: name, tensor: tensor) }
    // `data` stood before what says how to read it.
    let end = scanner.position
    scanner.position = fields.dataPosition ?? end
    let tensor = try scanner.readTensor(type: type, shape: shape)
    scanner.position = end
    return V2InputTensor(name: name, tensor: tensor)
  }

  private mutating func takeBinary(
    _ name: String, _ type: ElementType, _ shape: Shape, _ size: Int
  ) throws(ServingError) -> Tensor {
    if size > body.endIndex - tail {
      throw .invalidInput(
        name: name,
        reason:
          "unexpected size for input '\(name)', expecting \(size - (body.endIndex - tail)) additional bytes for model '\(model)'"
      )
    }
    let part = body[tail..<tail + size]
    tail += size
    return try V2BinaryTensor.decode(part, type: type, shape: shape, input: name)
  }

  private static func refuseSharedMemory(_ parameter: String, _ owner: String) throws(ServingError) {
    if parameter.hasPrefix("shared_memory_") {
      throw .invalidRequest(reason: "\(owner): shared memory is not supported, send the data in the request")
    }
  }
}

/// What was read of one input so far; members come in any order.
private struct InputFields {
  var name: String?
  var type: ElementType?
  var shape: Shape?
  var parameters: [JSONValue.Member] = []
  var tensor: Tensor?
  var dataPosition: Int?

  /// Reads the elements at once when type and shape are known; otherwise notes where they are.
  mutating func readData(_ scanner: inout JSONScanner) throws(JSONError) {
    if let type, let shape {
      tensor = try scanner.readTensor(type: type, shape: shape)
    } else {
      dataPosition = scanner.position
      try scanner.skipValue()
    }
  }
}

extension JSONScanner {
  /// Consumes an object; `read` consumes each member's value. Names that come twice are an error.
  mutating func readMembers(
    _ seen: inout Set<String>, _ read: (inout JSONScanner, String) throws -> Void
  ) throws {
    try open(UInt8(ascii: "{"))
    var isFirst = true
    var start = position
    while let name = try nextMember(isFirst: &isFirst) {
      if !seen.insert(name).inserted { throw error("two members named '\(name)' in one object", at: start) }
      try read(&self, name)
      start = position
    }
  }
}
