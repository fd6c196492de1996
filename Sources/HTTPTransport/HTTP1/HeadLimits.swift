/// How large a request head may be.
struct HeadLimits: Sendable, Equatable {
  var requestLineBytes: Int
  var headerBytes: Int
  var headerCount: Int
}
