import HTTPTransport
import Tensors

extension DatasetUpload: UploadSink {}

/// Datasets for calibration and evaluation.
enum DatasetEndpoints {
  static let routes: [Route] = [
    .get("/v2/datasets", .blocking(list)),
    .put("/v2/datasets/{dataset}", .dataset, .exchange(upload)),
    .get("/v2/datasets/{dataset}", .blocking(describe)),
    .get("/v2/datasets/{dataset}/file", .blocking(download)),
    .delete("/v2/datasets/{dataset}", .blocking(delete)),
  ]

  private static func list(_ call: Call) throws(ServingError) -> Response {
    .json(["datasets": .array(try call.core.datasets.list().map(\.json))])
  }

  private static func describe(_ call: Call) throws(ServingError) -> Response {
    .json(try call.core.datasets.dataset(try call.dataset()).json)
  }

  private static func download(_ call: Call) throws(ServingError) -> Response {
    let name = try call.dataset()
    return FileResponse.make(try call.core.datasets.file(name), named: name + ".npz", for: call.head)
  }

  private static func upload(_ call: Call) throws(ServingError) {
    let name = try call.dataset()
    let datasets = call.core.datasets
    BodyReceiver.receive(
      call, into: { () throws(ServingError) in try datasets.beginUpload(name) },
      finish: { upload throws(ServingError) in
        call.respond(
          .json(try upload.finish().json, status: 201, headers: ["location": "/v2/datasets/\(name)"]))
      })
  }

  private static func delete(_ call: Call) throws(ServingError) -> Response {
    let name = try call.dataset()
    try call.core.datasets.delete(name)
    return .json(["name": .string(name), "deleted": true])
  }
}

extension DatasetInfo {
  fileprivate var json: JSONValue {
    [
      "name": .string(name), "rows": .int(rows), "bytes": .int(bytes),
      "sha256": sha256.map { .string($0) } ?? .null, "read_only": .bool(isReadOnly),
      "arrays": .array(arrays.map(\.json)),
    ]
  }
}

extension DatasetInfo.Array {
  fileprivate var json: JSONValue {
    let datatype = ElementType.allCases.first { $0.name == type }?.v2Name ?? type
    return [
      "name": .string(name), "datatype": .string(datatype), "shape": .array(shape.map { .int($0) }),
    ]
  }
}
