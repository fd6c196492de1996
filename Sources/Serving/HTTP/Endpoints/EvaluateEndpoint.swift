import Compression
import Dispatch
import HTTPTransport
import Synchronization

/// `POST …/evaluate` `{"dataset","metric"}`: the measurement that a compression job makes before and after.
enum EvaluateEndpoint {
  static let routes: [Route] = [
    .post("/v2/models/{model}/evaluate", .json, .exchange(evaluate)),
    .post("/v2/models/{model}/versions/{version}/evaluate", .json, .exchange(evaluate)),
  ]

  /// One at a time and on one thread, so that measuring leaves the processors to inference.
  private static let queue = DispatchQueue(label: "adze.evaluations")
  private static let waiting = Atomic<Int>(0)
  private static let maximumWaiting = 16

  private static func evaluate(_ call: Call) throws(ServingError) {
    let name = try call.model()
    let servable = try call.core.repository.servable(name, version: try call.version())
    let body = try call.jsonBody(only: ["dataset", "metric"])
    guard let dataset = body["dataset"]?.string else {
      throw .invalidRequest(reason: "'dataset' must be the name of a dataset")
    }
    let metric = try metric(body["metric"])
    if waiting.add(1, ordering: .relaxed).newValue > maximumWaiting {
      waiting.subtract(1, ordering: .relaxed)
      throw .overloaded(reason: "\(maximumWaiting) evaluations are waiting already")
    }
    queue.async {
      defer { waiting.subtract(1, ordering: .relaxed) }
      do throws(ServingError) {
        call.respond(try measure(servable, on: dataset, metric, call))
      } catch {
        call.respond(error)
      }
    }
  }

  /// nil: the metric that suits the labels.
  private static func metric(_ value: JSONValue?) throws(ServingError) -> Metric? {
    guard let value, value != .null else { return nil }
    guard let name = value.string, let metric = Metric(rawValue: name) else {
      let allowed = Metric.allCases.map(\.rawValue).joined(separator: ", ")
      throw .invalidRequest(reason: "metric: '\(value.string ?? value.kind)' is not one of \(allowed)")
    }
    return metric
  }

  private static func measure(
    _ servable: Servable, on name: String, _ metric: Metric?, _ call: Call
  ) throws(ServingError) -> Response {
    let path = try call.core.datasets.path(name)
    let exchange = call.exchange
    let result: MetricResult
    do throws(CompressionError) {
      let dataset = try Dataset(path: path, maximumBytes: call.configuration.maximumDatasetBytes)
      result = try Evaluator.evaluate(servable.program, dataset, metric: metric) { _ in !exchange.isCancelled
      }
    } catch {
      throw ServingError(error)
    }
    return .json([
      "model_name": .string(servable.name), "model_version": .string(String(servable.version)),
      "dataset": .string(name), "metric": .string(result.name.rawValue),
      "value": number(result.value), "samples": .int(result.samples),
      "low": number(result.low), "high": number(result.high),
    ])
  }

  private static func number(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
}
