import HTTPTransport

/// The files of a version: download with ETag and Range, upload of external data and labels.
enum ModelFileEndpoints {
  static let routes: [Route] = [
    .get(path, .blocking(download)),
    .put(path, .model, .exchange(upload)),
  ]

  private static let path = "/v2/repository/models/{model}/versions/{version}/files/{file}"

  private static func download(_ call: Call) throws(ServingError) -> Response {
    let file = call.value("file") ?? ""
    let opened = try call.core.repository.file(try call.model(), version: try version(call), file: file)
    return FileResponse.make(opened, named: file, for: call.head)
  }

  private static func upload(_ call: Call) throws(ServingError) {
    let name = try call.model()
    let version = try version(call)
    let file = call.value("file") ?? ""
    try ResourceName.check(file)
    let repository = call.core.repository
    BodyReceiver.receive(
      call,
      into: { () throws(ServingError) in try repository.beginFileUpload(name, version: version, file: file) },
      finish: { upload throws(ServingError) in call.respond(.json(try upload.finish().json, status: 201)) })
  }

  private static func version(_ call: Call) throws(ServingError) -> Int {
    guard let version = try call.version() else { throw .invalidName("") }
    return version
  }
}
