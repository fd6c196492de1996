/// Takes the chunked transfer coding apart (RFC 9112 section 7.1), in pieces of any size.
///
/// Chunk extensions and trailers are checked, counted and dropped.
struct ChunkDecoder {
  enum Event: Equatable {
    /// This range of the input is body.
    case body(Range<Int>)
    /// All input was used.
    case needsMore
    case end
  }

  private enum State {
    case size(digits: Int)
    case extensions
    case sizeLineFeed
    case data
    case dataReturn
    case dataLineFeed
    case trailerStart
    case trailer
    case trailerLineFeed
    case lastLineFeed
    case done
  }

  private var state = State.size(digits: 0)
  /// Left in the chunk being read.
  private var remaining = 0
  private var extensionBytes = 0
  private var line: [UInt8] = []
  private var trailerBytes = 0
  private var trailerCount = 0
  private let extensionLimit: Int
  private let trailerLimits: HeadLimits

  init(extensionLimit: Int, trailerLimits: HeadLimits) {
    self.extensionLimit = extensionLimit
    self.trailerLimits = trailerLimits
  }

  /// Reads on at `position` and moves it behind what was used.
  mutating func next(_ bytes: UnsafeRawBufferPointer, at position: inout Int) throws(RequestFailure) -> Event
  {
    while position < bytes.count {
      if case .done = state { return .end }
      if case .data = state {
        let count = min(remaining, bytes.count - position)
        let range = position..<position + count
        position += count
        remaining -= count
        if remaining == 0 { state = .dataReturn }
        return .body(range)
      }
      let byte = bytes[position]
      position += 1
      try step(byte)
    }
    if case .done = state { return .end }
    return .needsMore
  }

  private mutating func step(_ byte: UInt8) throws(RequestFailure) {
    switch state {
    case .size(let digits): try stepSize(byte, digits)
    case .extensions: try stepExtension(byte)
    case .sizeLineFeed:
      try expectLineFeed(byte)
      state = remaining == 0 ? .trailerStart : .data
    case .dataReturn:
      guard byte == 0x0D else { throw .malformed("a chunk is longer than its size") }
      state = .dataLineFeed
    case .dataLineFeed:
      try expectLineFeed(byte)
      state = .size(digits: 0)
    case .trailerStart, .trailer, .trailerLineFeed: try stepTrailer(byte)
    case .lastLineFeed:
      try expectLineFeed(byte)
      state = .done
    case .data, .done: break
    }
  }

  private mutating func stepSize(_ byte: UInt8, _ digits: Int) throws(RequestFailure) {
    if let digit = CharacterClass.hexadecimal(byte) {
      // 15 digits stay below Int.max.
      guard digits < 15 else { throw .malformed("a chunk size has too many digits") }
      remaining = remaining << 4 | digit
      state = .size(digits: digits + 1)
      return
    }
    guard digits > 0 else { throw .malformed("a chunk has no size") }
    switch byte {
    case 0x0D: state = .sizeLineFeed
    case UInt8(ascii: ";"): state = .extensions
    default: throw .malformed("a chunk size has characters that are not hexadecimal")
    }
  }

  private mutating func stepExtension(_ byte: UInt8) throws(RequestFailure) {
    if byte == 0x0D {
      state = .sizeLineFeed
      return
    }
    guard CharacterClass.isFieldValue(byte) else {
      throw .malformed("a chunk extension has control characters")
    }
    extensionBytes += 1
    guard extensionBytes <= extensionLimit else {
      throw .malformed("the chunk extensions are larger than \(extensionLimit) bytes")
    }
  }

  private mutating func stepTrailer(_ byte: UInt8) throws(RequestFailure) {
    if case .trailerLineFeed = state {
      try expectLineFeed(byte)
      let parsed = line.withUnsafeBytes(Self.checkTrailer)
      line = []
      state = .trailerStart
      return try parsed.get()
    }
    if byte == 0x0D {
      state = line.isEmpty ? .lastLineFeed : .trailerLineFeed
      return
    }
    guard CharacterClass.isFieldValue(byte) else { throw .malformed("a trailer has control characters") }
    if line.isEmpty { trailerCount += 1 }
    line.append(byte)
    trailerBytes += 1
    state = .trailer
    guard trailerBytes <= trailerLimits.headerBytes, trailerCount <= trailerLimits.headerCount else {
      throw RequestFailure(status: 431, reason: "the trailer fields are too large")
    }
  }

  private static func checkTrailer(_ line: UnsafeRawBufferPointer) -> Result<Void, RequestFailure> {
    var dropped = HTTPHeaders()
    do {
      try HeadParser.parseField(line, into: &dropped)
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  private func expectLineFeed(_ byte: UInt8) throws(RequestFailure) {
    guard byte == 0x0A else { throw .malformed("a line ends without CR LF") }
  }
}
