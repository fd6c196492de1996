import Glibc

/// An address to listen on.
struct SocketAddress {
  private let storage: sockaddr_storage
  private let length: socklen_t
  let isDualStack: Bool

  var family: Int32 { Int32(storage.ss_family) }

  func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    withUnsafePointer(to: storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  /// The addresses to try, best first. `*` is every address: IPv6 and IPv4 on one socket, or IPv4 alone where
  /// there is no IPv6.
  static func resolve(host: String, port: Int) throws(TransportError) -> [SocketAddress] {
    if host == "*" {
      let both = try lookUp(host: "::", port: port, isDualStack: true)
      return both + (try lookUp(host: "0.0.0.0", port: port, isDualStack: false))
    }
    return try lookUp(host: host, port: port, isDualStack: false)
  }

  private static func lookUp(
    host: String, port: Int, isDualStack: Bool
  ) throws(TransportError) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var found: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(host, String(port), &hints, &found)
    guard status == 0 else {
      throw .address(host: host, reason: String(cString: gai_strerror(status)))
    }
    defer { freeaddrinfo(found) }
    var addresses: [SocketAddress] = []
    var next = found
    while let entry = next?.pointee {
      if let address = entry.ai_addr, Int(entry.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
          $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen)))
        }
        addresses.append(
          SocketAddress(storage: storage, length: entry.ai_addrlen, isDualStack: isDualStack))
      }
      next = entry.ai_next
    }
    return addresses
  }
}
