/// Where the bytes of a response come from while it is sent.
struct BodySource {
  private enum Kind {
    case none
    case bytes([UInt8])
    case file(FileRange)
    case pipe(OutgoingPipe)
  }

  private let kind: Kind
  private var sent = 0

  init(_ body: ResponseBody) {
    switch body {
    case .none: kind = .none
    case .bytes(let bytes): kind = .bytes(bytes)
    case .file(let range): kind = .file(range)
    }
  }

  init(_ pipe: OutgoingPipe) { kind = .pipe(pipe) }

  static let empty = BodySource(ResponseBody.none)

  /// nil when it is not known before its end.
  var length: Int? {
    switch kind {
    case .none: 0
    case .bytes(let bytes): bytes.count
    case .file(let range): range.length
    case .pipe: nil
    }
  }

  /// Whether nothing follows what was read.
  var isAtEnd: Bool {
    switch kind {
    case .none: true
    case .bytes(let bytes): sent == bytes.count
    case .file(let range): sent == range.length
    case .pipe(let pipe): pipe.isDrained
    }
  }

  /// The writer gave up or was cut off, whether or not its bytes can be sent.
  var isCut: Bool {
    if case .pipe(let pipe) = kind { pipe.isCut } else { false }
  }

  var trailers: HTTPHeaders {
    if case .pipe(let pipe) = kind { pipe.trailers } else { HTTPHeaders() }
  }

  /// The next bytes, as many as there are and fit.
  mutating func read(into target: UnsafeMutableRawBufferPointer) -> OutgoingPipe.Read {
    switch kind {
    case .none:
      return .end
    case .bytes(let bytes):
      let count = min(target.count, bytes.count - sent)
      guard count > 0 else { return .end }
      bytes.withUnsafeBytes {
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[sent..<sent + count]))
      }
      sent += count
      return .bytes(count)
    case .file(let range):
      return readFile(range, into: target)
    case .pipe(let pipe):
      return pipe.read(into: target)
    }
  }

  private mutating func readFile(
    _ range: FileRange, into target: UnsafeMutableRawBufferPointer
  ) -> OutgoingPipe.Read {
    let wanted = min(target.count, range.length - sent)
    guard wanted > 0 else { return .end }
    let part = UnsafeMutableRawBufferPointer(rebasing: target[..<wanted])
    switch SystemCalls.read(range.descriptor, at: range.offset + sent, into: part) {
    case .bytes(let count):
      sent += count
      return .bytes(count)
    case .end, .failed, .wouldBlock:
      // The promised length cannot be met: only a broken response tells the client so.
      return .cut
    }
  }
}
