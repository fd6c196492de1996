/// The protocol that a request arrived in.
public enum HTTPVersion: Sendable, Equatable {
  case http10
  case http11
  case http2
}
