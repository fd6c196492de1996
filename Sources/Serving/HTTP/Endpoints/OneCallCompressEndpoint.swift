import Compression
import Dispatch
import HTTPTransport
import Synchronization

/// `PUT` or `POST /v2/compress?quantize=…`: ONNX bytes in, compressed ONNX bytes out.
enum OneCallCompressEndpoint {
  static let routes: [Route] = [
    .put("/v2/compress", .model, .exchange(compress)),
    .post("/v2/compress", .model, .exchange(compress)),
  ]

  /// Cancelling a job waits for the database, which the event loop must not.
  private static let cancellations = DispatchQueue(label: "adze.cancellations")

  private static func compress(_ call: Call) throws(ServingError) {
    if call.context.isDraining { throw .shuttingDown }
    let recipe = try recipe(call.target.query)
    let jobs = call.core.jobs
    BodyReceiver.receive(
      call, into: { () throws(ServingError) in try jobs.beginSource() },
      finish: { source throws(ServingError) in
        let job = try jobs.compress(source, recipe: recipe)
        try follow(job.id, call)
      })
  }

  private static func recipe(_ query: [RequestTarget.QueryItem]) throws(ServingError) -> Recipe {
    do throws(CompressionError) {
      return try Recipe.fromQuery(query.map { (name: $0.name, value: $0.value) })
    } catch {
      throw ServingError(error)
    }
  }

  /// Answers when the job has ended; cancels it when the client goes away first.
  private static func follow(_ id: Int64, _ call: Call) throws(ServingError) {
    let jobs = call.core.jobs
    let subscription = SubscriptionHolder()
    subscription.hold(
      try jobs.subscribe(id) { job in
        if !job.state.isFinal { return }
        subscription.release()
        call.respond(response(to: job, call))
      })
    call.exchange.onCancel {
      subscription.release()
      cancellations.async { _ = try? jobs.cancel(id) }
    }
  }

  private static func response(to job: Job, _ call: Call) -> Response {
    let location: HTTPHeaders = ["location": "/v2/jobs/\(job.id)"]
    switch job.state {
    case .done:
      do throws(ServingError) {
        var response = FileResponse.whole(try call.core.jobs.takeResult(job.id), named: "model.onnx")
        response.headers.add("location", "/v2/jobs/\(job.id)")
        return response
      } catch {
        return .error(error)
      }
    case .cancelled: return .error(status: 409, job.error ?? "the job was cancelled", headers: location)
    case .interrupted: return .error(status: 503, job.error ?? "the server stopped", headers: location)
    // The job's process reads a model that nobody has checked before: what fails there is the model or the recipe.
    default: return .error(status: 422, job.error ?? "the job failed", headers: location)
    }
  }
}

/// Keeps a subscription until its last event, which comes to a closure that cannot hold it itself.
final class SubscriptionHolder: Sendable {
  private struct State {
    var subscription: JobSubscription?
    var isReleased = false
  }

  private let state = Mutex(State())

  func hold(_ subscription: JobSubscription) {
    state.withLock { if !$0.isReleased { $0.subscription = subscription } }
  }

  func release() {
    // Ended outside of the lock: ending a subscription takes another one.
    let ended = state.withLock { state in
      let held = state.subscription
      state.subscription = nil
      state.isReleased = true
      return held
    }
    withExtendedLifetime(ended) {}
  }
}
