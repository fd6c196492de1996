/// Tells from a connection's first bytes what it speaks.
struct ProtocolSniffer {
  enum Verdict: Equatable {
    case undecided
    case http1
    case http2
    /// A TLS handshake record.
    case tls
  }

  /// The client's preface (RFC 9113 section 3.4).
  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private var matched = 0
  private var verdict = Verdict.undecided

  /// Looks at the next bytes; once decided, the verdict stays.
  mutating func look(at bytes: UnsafeRawBufferPointer) -> Verdict {
    for byte in bytes {
      guard verdict == .undecided else { break }
      if matched == 0, byte == 0x16 {
        verdict = .tls
      } else if byte != Self.preface[matched] {
        verdict = .http1
      } else {
        matched += 1
        if matched == Self.preface.count { verdict = .http2 }
      }
    }
    return verdict
  }
}
