/// A piece of a streamed request body.
public enum BodyEvent: Sendable {
  /// The next decoded bytes, never empty.
  case chunk([UInt8])
  /// The body is complete.
  case end
  /// The client went away or the body broke a rule (too large, bad coding, too slow). Nothing follows, and the
  /// transport has answered if there is still somebody to answer to: a later `respond` is ignored.
  case failed(reason: String)
}
