import HTTPTransport

/// `PUT /v2/repository/models/{model}`: ONNX bytes in, a ready version out, or nothing stored.
enum ModelUploadEndpoint {
  static let routes: [Route] = [.put("/v2/repository/models/{model}", .model, .exchange(upload))]

  private static func upload(_ call: Call) throws(ServingError) {
    let name = try call.model()
    let version = try call.queryVersion()
    let repository = call.core.repository
    BodyReceiver.receive(
      call,
      into: { () throws(ServingError) in try repository.beginUpload(name, version: version) },
      finish: { upload throws(ServingError) in
        let uploaded = try upload.finish()
        call.respond(
          .json(
            uploaded.json, status: 201,
            headers: ["location": "/v2/models/\(uploaded.name)/versions/\(uploaded.version)"]))
      })
  }
}

extension UploadedVersion {
  /// What a client gets told about its upload.
  var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init(name: "name", value: .string(name)), .init(name: "version", value: .string(String(version))),
      .init(name: "sha256", value: .string(digest.sha256)), .init(name: "bytes", value: .int(digest.bytes)),
      .init(name: "inputs", value: V2ModelMetadata.ports(inputs)),
      .init(name: "outputs", value: V2ModelMetadata.ports(outputs)),
      .init(name: "state", value: .string(state.name)),
    ]
    if !missingFiles.isEmpty {
      members.append(.init(name: "missing_files", value: .array(missingFiles.map { .string($0) })))
    }
    return .object(members)
  }
}
