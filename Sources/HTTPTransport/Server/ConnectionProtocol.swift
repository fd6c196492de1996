/// What a connection speaks, between its bytes and its requests. Confined to the loop.
protocol ConnectionProtocol: AnyObject {
  /// Takes what the socket gave.
  func receive(_ bytes: UnsafeRawBufferPointer)
  /// The peer will send nothing more. False when the connection is of no use any more.
  func receiveEnd() -> Bool
  /// Adds bytes to send until the buffer is full or there are none.
  func produce(into output: OutputBuffer)
  /// Everything produced so far has been given to the system.
  func outputSent()
  /// Whether there is room for more input.
  var wantsInput: Bool { get }
  /// Nothing more is to be said: the connection closes once its output is sent.
  var isFinished: Bool { get }
  /// Whether the peer may still be sending, so that closing at once could destroy the last response on its way.
  var closesGently: Bool { get }
  func take(_ message: ExchangeMessage, stream: Int32)
  /// False when the connection has waited too long for its peer.
  func checkTime(now: Int) -> Bool
  /// No new requests: those in flight finish, then the connection does.
  func drain(isFinal: Bool)
  /// The connection is gone: cancels what is in flight.
  func lose()
}
