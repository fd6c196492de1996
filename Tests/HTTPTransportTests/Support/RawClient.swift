import Glibc

@testable import HTTPTransport

struct ClientError: Error {
  var text: String
}

/// A blocking TCP client that sends exactly the bytes it is given.
final class RawClient {
  private let descriptor: Int32
  private(set) var received: [UInt8] = []
  private(set) var isAtEnd = false

  init(port: Int, receiveBuffer: Int32? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var size = receiveBuffer {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw ClientError(text: "connect: errno \(errno)") }
  }

  deinit { close(descriptor) }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw ClientError(text: "send: errno \(errno)") }
      sent += count
    }
  }

  /// Sends what fits without waiting; returns how much that was.
  func sendWithoutWaiting(_ bytes: [UInt8]) -> Int {
    let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
    return bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) }
  }

  func shutdownSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Reads one piece; false at the end or when nothing came for 10 s.
  @discardableResult
  func readMore() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else {
      isAtEnd = true
      return false
    }
    received.append(contentsOf: buffer[..<count])
    return true
  }

  func take(_ count: Int) throws -> [UInt8] {
    while received.count < count {
      guard readMore() else { throw ClientError(text: "the connection ended after \(received.count) bytes") }
    }
    let taken = Array(received[..<count])
    received.removeFirst(count)
    return taken
  }

  /// Everything until the server closes.
  func readToEnd() -> String {
    while readMore() {}
    return String(decoding: received, as: UTF8.self)
  }

  /// One response with a content-length, taken off the stream.
  func readResponse() throws -> (status: Int, head: String, body: [UInt8]) {
    let head = try readHead()
    let status = Int(head.split(separator: " ")[1]) ?? 0
    var length = 0
    for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix("content-length:") {
      length = Int(line.dropFirst("content-length:".count).filter { $0 != " " }) ?? 0
    }
    return (status, head, try take(length))
  }

  func readHead() throws -> String {
    let end = Array("\r\n\r\n".utf8)
    var searched = 0
    while true {
      while searched + 4 <= received.count {
        if received[searched..<searched + 4].elementsEqual(end) {
          return String(decoding: try take(searched + 4), as: UTF8.self)
        }
        searched += 1
      }
      guard readMore() else { throw ClientError(text: "no response head: \(received.count) bytes") }
    }
  }
}
