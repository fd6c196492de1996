import HTTPTransport
import Tensors

/// `POST …/infer`: decoded on the event loop, answered by the worker that ran the batch.
enum InferEndpoint {
  static let routes: [Route] = [
    .post("/v2/models/{model}/infer", .inference, .exchange(infer)),
    .post("/v2/models/{model}/versions/{version}/infer", .inference, .exchange(infer)),
  ]

  private static let headerLengthName = "inference-header-content-length"
  /// Longer timeouts than a day are taken as a day.
  private static let longestTimeoutMicroseconds = 86_400_000_000

  private static func infer(_ call: Call) throws(ServingError) {
    let name = try call.model()
    let version = try call.version()
    var servable = try call.core.repository.servable(name, version: version)
    let request = try read(call, for: servable)
    if let variant = request.parameter("variant") {
      servable = try select(variant, name, pathVersion: version, call)
    }
    let model = V2Signature(servable)
    let binding = try V2Binding(request, to: model)
    let deadline = binding.timeoutMicroseconds.map {
      ContinuousClock.now + .microseconds(min($0, longestTimeoutMicroseconds))
    }
    let exchange = call.exchange
    try servable.submit(
      InferenceRequest(
        inputs: binding.inputs, outputs: binding.outputs.map(\.index), deadline: deadline,
        isCancelled: { exchange.isCancelled }, isFollowed: true
      ) { result in answer(result, binding, model, call) })
  }

  private static func read(_ call: Call, for servable: Servable) throws(ServingError) -> V2InferRequest {
    let body = call.exchange.body
    var headerLength: Int?
    if let text = call.head.headers[headerLengthName] {
      guard let length = Int(text), (0...body.count).contains(length) else {
        throw .invalidRequest(
          reason: "inference header size should be in range (0, \(body.count)), got: \(text.prefix(32))")
      }
      if length == 0 { return try V2RawRequest.read(body, for: V2Signature(servable)) }
      headerLength = length
    }
    return try V2InferReader.read(
      body, headerLength: headerLength, model: servable.name,
      maximumDepth: call.configuration.maximumJSONDepth)
  }

  /// The version that the request parameter `variant` names by label or number.
  private static func select(
    _ variant: JSONValue, _ name: String, pathVersion: Int?, _ call: Call
  ) throws(ServingError) -> Servable {
    if pathVersion != nil {
      throw .invalidRequest(reason: "parameter 'variant' cannot go with a version in the path")
    }
    switch variant {
    case .int(let number): return try call.core.repository.servable(name, version: number)
    case .string(let label):
      if let number = try? ResourceName.version(label) {
        return try call.core.repository.servable(name, version: number)
      }
      let version = try call.core.repository.version(of: name, label: label)
      return try call.core.repository.servable(name, version: version)
    default: throw .invalidRequest(reason: "parameter 'variant' must be a label or a version")
    }
  }

  /// On the worker thread.
  private static func answer(
    _ result: Result<InferenceResult, ServingError>, _ binding: V2Binding, _ model: V2Signature, _ call: Call
  ) {
    do throws(ServingError) {
      let outputs = try result.get().outputs
      call.respond(Response(try encode(outputs, binding, model)))
    } catch {
      call.respond(error)
    }
  }

  private static func encode(
    _ outputs: [Tensor], _ binding: V2Binding, _ model: V2Signature
  ) throws(ServingError) -> V2InferResponse {
    do throws(TensorError) {
      return try V2InferResponse(outputs, binding, from: model)
    } catch {
      throw .inference(reason: "\(error)")
    }
  }
}

extension Response {
  fileprivate init(_ response: V2InferResponse) {
    guard let headerLength = response.headerLength else {
      self = .json(bytes: response.bytes)
      return
    }
    self.init(
      status: 200,
      headers: [
        "content-type": "application/octet-stream",
        "inference-header-content-length": String(headerLength),
      ], body: .bytes(response.bytes))
  }
}
