import Dispatch
import HTTPTransport

/// A place on disk that a request's body goes to, piece by piece.
protocol UploadSink: Sendable {
  func append(_ bytes: [UInt8]) throws(ServingError)
  /// Ends the upload and removes what arrived.
  func abort()
}

extension Upload: UploadSink {}
extension FileUpload: UploadSink {}
extension SourceUpload: UploadSink {}

/// Writes a streamed body to disk as it comes. The client may send on only when a piece is written, so that a
/// slow disk slows it down and memory stays bounded.
enum BodyReceiver {
  /// - Parameters:
  ///   - begin: opens the sink; runs on the upload's own queue, as `finish` does.
  ///   - finish: takes the complete body and answers.
  static func receive<Sink: UploadSink>(
    _ call: Call, into begin: @escaping @Sendable () throws(ServingError) -> Sink,
    finish: @escaping @Sendable (Sink) throws(ServingError) -> Void
  ) {
    // Serial, on Dispatch's overcommit pool: a stuck disk does not hold up other work.
    let queue = DispatchQueue(label: "adze.upload")
    queue.async {
      do throws(ServingError) {
        let open = OpenSink(sink: try begin(), call: call, finish: finish)
        call.exchange.readBody(on: queue) { open.receive($0) }
      } catch {
        call.respond(error)
      }
    }
  }
}
