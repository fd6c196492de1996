/// Why a request cannot be taken, with the status that says so.
struct RequestFailure: Error, Equatable, Sendable {
  var status: Int
  var reason: String

  static func malformed(_ reason: String) -> RequestFailure { .init(status: 400, reason: reason) }
}
