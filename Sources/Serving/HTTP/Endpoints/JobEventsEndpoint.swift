import Dispatch
import HTTPTransport

/// `GET /v2/jobs/{id}/events`: a job's changes as server-sent events, the final state with its report last.
enum JobEventsEndpoint {
  static let routes: [Route] = [.get("/v2/jobs/{job}/events", .exchange(follow))]

  private static let queue = DispatchQueue(label: "adze.events")

  private static func follow(_ call: Call) throws(ServingError) {
    let id = try call.job()
    queue.async {
      do throws(ServingError) { try stream(id, call) } catch { call.respond(error) }
    }
  }

  private static func stream(_ id: Int64, _ call: Call) throws(ServingError) {
    // Before the response begins: an unknown job is a 404, not an empty stream.
    _ = try call.core.jobs.store.job(id)
    let stream = call.stream(
      ResponseHead(
        status: 200,
        headers: ["content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store"]))
    let subscription = SubscriptionHolder()
    let context = call.context
    // A watcher must not hold up the end of the server; it finds the job again at the next one.
    let token = context.onDrain {
      subscription.release()
      stream.finish()
    }
    call.exchange.onCancel {
      subscription.release()
      context.forgetDrainAction(token)
    }
    subscription.hold(
      try call.core.jobs.subscribe(id) { job in
        stream.write(event(job))
        if !job.state.isFinal { return }
        subscription.release()
        context.forgetDrainAction(token)
        stream.finish()
      })
  }

  /// The lines of a report become `data` lines of one event, which the reader joins again.
  private static func event(_ job: Job) -> [UInt8] {
    let lines = job.json(includingReport: job.state.isFinal).split(separator: UInt8(ascii: "\n"))
    var bytes = Array("event: \(job.state.rawValue)\n".utf8)
    for line in lines { bytes += Array("data: ".utf8) + line + [UInt8(ascii: "\n")] }
    return bytes + [UInt8(ascii: "\n")]
  }
}
