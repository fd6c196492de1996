/// Every limit of the transport, with its default.
public struct TransportConfiguration: Sendable {
  /// A numeric address or a name; `*` listens on every address, IPv6 and IPv4.
  public var host = "*"
  /// 0 lets the system choose; `HTTPServer.port` tells which.
  public var port = 8080
  /// Event loops, each on its own thread while there is traffic. One loop moves about two hundred thousand small
  /// HTTP/2 requests a second, and every further one takes a core from the models.
  public var eventLoops = 1
  /// Connections waiting to be accepted by the system (`listen`).
  public var backlog = 1024
  /// Further connections are answered 503 and closed.
  public var maximumConnections = 4096
  /// How long a loop blocks in `epoll_wait` before it goes back to Dispatch, in milliseconds.
  public var lingerMilliseconds = 20

  /// Longest HTTP/1.1 request line; above: 414.
  public var requestLineBytes = 8 << 10
  /// All header fields of one request together; above: 431.
  public var headerBytes = 32 << 10
  /// Header fields of one request; above: 431.
  public var headerCount = 100
  /// Chunk extensions of one HTTP/1.1 request body together; above: 400. Their content is ignored.
  public var chunkExtensionBytes = 4 << 10

  /// Streams open at once on one HTTP/2 connection.
  public var concurrentStreams = 128
  /// Body bytes that a client may send ahead of their use: per HTTP/2 stream, and per HTTP/1.1 body.
  public var streamWindowBytes = 1 << 20
  /// Body bytes that a client may send ahead on one HTTP/2 connection.
  public var connectionWindowBytes = 4 << 20
  /// Stream resets that an HTTP/2 client may have in hand, and how many it regains a second.
  public var resetBurst = 1000
  public var resetsPerSecond = 33

  /// Request body bytes in memory, all connections together; above: 503.
  public var bodyBytesInFlight = 512 << 20
  /// How much of a refused body is read and thrown away, so that the client comes to read the response.
  public var discardBytes = 1 << 30
  /// How long that may take.
  public var discardSeconds = 30.0
  /// Unsent bytes of one streamed response: above it the reader is taken for stuck and the stream is reset.
  public var responseBacklogBytes = 4 << 20

  /// From the first byte of a request (or from the connection's opening) to the end of its head.
  public var headerSeconds = 10.0
  /// Longest pause within a request body.
  public var bodyIdleSeconds = 30.0
  /// How long a connection without a request stays open.
  public var keepAliveSeconds = 75.0
  /// Longest time that a client may leave a response unread.
  public var writeStallSeconds = 30.0

  /// Smallest response body that is compressed for clients that accept gzip.
  public var gzipMinimumBytes = 1 << 10
  /// zlib's level, 1 to 9; 0 turns response compression off.
  public var gzipLevel = 2

  public init() {}

  /// Checks every number; the error names the first one that is out of range.
  public func validate() throws(TransportError) {
    let seconds = 0.01...86400.0
    try Self.check("port", port, 0...65535)
    try Self.check("eventLoops", eventLoops, 1...256)
    try Self.check("backlog", backlog, 1...65535)
    try Self.check("maximumConnections", maximumConnections, 1...1_000_000)
    try Self.check("lingerMilliseconds", lingerMilliseconds, 0...1000)
    try Self.check("requestLineBytes", requestLineBytes, 64...1 << 20)
    try Self.check("headerBytes", headerBytes, 256...1 << 20)
    try Self.check("headerCount", headerCount, 8...10_000)
    try Self.check("chunkExtensionBytes", chunkExtensionBytes, 0...1 << 20)
    try Self.check("concurrentStreams", concurrentStreams, 1...10_000)
    try Self.check("streamWindowBytes", streamWindowBytes, 65535...1 << 30)
    try Self.check("connectionWindowBytes", connectionWindowBytes, 65535...1 << 30)
    try Self.check("resetBurst", resetBurst, 1...1_000_000)
    try Self.check("resetsPerSecond", resetsPerSecond, 1...1_000_000)
    try Self.check("bodyBytesInFlight", bodyBytesInFlight, streamWindowBytes...1 << 46)
    try Self.check("discardBytes", discardBytes, 0...1 << 46)
    try Self.check("discardSeconds", discardSeconds, seconds)
    try Self.check("responseBacklogBytes", responseBacklogBytes, 1 << 10...1 << 40)
    try Self.check("headerSeconds", headerSeconds, seconds)
    try Self.check("bodyIdleSeconds", bodyIdleSeconds, seconds)
    try Self.check("keepAliveSeconds", keepAliveSeconds, seconds)
    try Self.check("writeStallSeconds", writeStallSeconds, seconds)
    try Self.check("gzipMinimumBytes", gzipMinimumBytes, 0...1 << 40)
    try Self.check("gzipLevel", gzipLevel, 0...9)
  }

  private static func check<Number: Comparable>(
    _ name: String, _ value: Number, _ range: ClosedRange<Number>
  ) throws(TransportError) {
    guard range.contains(value) else {
      throw .configuration("\(name) is \(value), must be \(range.lowerBound) to \(range.upperBound)")
    }
  }
}
