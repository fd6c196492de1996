import Compression
import HTTPTransport

/// `POST …/compress`: queues a job that makes the next version of a model.
enum CompressEndpoint {
  static let routes: [Route] = [
    .post("/v2/models/{model}/compress", .json, .blocking(compress)),
    .post("/v2/models/{model}/versions/{version}/compress", .json, .blocking(compress)),
  ]

  private static func compress(_ call: Call) throws(ServingError) -> Response {
    let name = try call.model()
    let version = try call.version()
    if call.context.isDraining { throw .shuttingDown }
    let recipe = try recipe(call.exchange.body)
    let job = try call.core.jobs.compress(name, version: version, recipe: recipe)
    return .json(bytes: job.json(), status: 202, headers: ["location": "/v2/jobs/\(job.id)"])
  }

  private static func recipe(_ body: [UInt8]) throws(ServingError) -> Recipe {
    do throws(CompressionError) { return try Recipe.parse(body) } catch { throw ServingError(error) }
  }
}

extension ServingError {
  /// A recipe or a dataset name that is wrong.
  init(_ error: CompressionError) {
    switch error {
    case .cancelled: self = .cancelled
    case .dataset(let reason): self = .invalidDataset(reason: reason)
    case .model(let reason): self = .invalidModel(reason: reason)
    default: self = .invalidRequest(reason: "\(error)")
    }
  }
}
