import Dispatch

/// What all loops and connections of one server share.
final class ServerContext: Sendable {
  let configuration: TransportConfiguration
  let handler: any RequestHandler
  let counters = Counters()
  let budget: BodyBudget
  let coding: ResponseCoding
  let http2: HTTP2Settings
  /// Inflates buffered bodies, off the loops.
  let decodingQueue = DispatchQueue(label: "http.decoding", attributes: .concurrent)

  init(configuration: TransportConfiguration, handler: any RequestHandler) {
    self.configuration = configuration
    self.handler = handler
    budget = BodyBudget(limit: configuration.bodyBytesInFlight)
    coding = ResponseCoding(minimumBytes: configuration.gzipMinimumBytes, level: configuration.gzipLevel)
    http2 = HTTP2Settings(configuration)
  }

  var headLimits: HeadLimits {
    HeadLimits(
      requestLineBytes: configuration.requestLineBytes, headerBytes: configuration.headerBytes,
      headerCount: configuration.headerCount)
  }

  /// The configured seconds in nanoseconds.
  static func nanoseconds(_ seconds: Double) -> Int { Int(seconds * 1e9) }
}
