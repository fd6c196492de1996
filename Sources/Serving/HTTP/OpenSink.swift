import HTTPTransport
import Synchronization

/// One upload under way.
final class OpenSink<Sink: UploadSink>: Sendable {
  private let sink: Sink
  private let call: Call
  private let finish: @Sendable (Sink) throws(ServingError) -> Void
  private let hasFailed = Atomic<Bool>(false)

  init(sink: Sink, call: Call, finish: @escaping @Sendable (Sink) throws(ServingError) -> Void) {
    self.sink = sink
    self.call = call
    self.finish = finish
  }

  /// On the upload's queue.
  func receive(_ event: BodyEvent) {
    if hasFailed.load(ordering: .relaxed) { return }
    do throws(ServingError) {
      switch event {
      case .chunk(let bytes): try sink.append(bytes)
      case .end: try finish(sink)
      // The transport has answered, if there is still somebody to answer to.
      case .failed: sink.abort()
      }
    } catch {
      hasFailed.store(true, ordering: .relaxed)
      sink.abort()
      call.respond(error)
    }
  }
}
