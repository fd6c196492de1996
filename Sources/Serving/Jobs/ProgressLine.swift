import FoundationEssentials

/// What a job's process says about its progress: one JSON object a line,
/// `{"stage":"calibrate","progress":0.25,"seconds_left":12.3}`, the last member once it can be told.
struct ProgressLine: Decodable, Equatable {
  var stage: String
  var progress: Double
  var secondsLeft: Double?

  private static let maximumStageLength = 64
  private static let maximumSecondsLeft = 31_536_000.0

  enum CodingKeys: String, CodingKey {
    case stage, progress
    case secondsLeft = "seconds_left"
  }

  /// nil for anything that is not such a line; the process may be hostile.
  static func parse(_ line: [UInt8]) -> ProgressLine? {
    guard var parsed = try? JSONDecoder().decode(ProgressLine.self, from: Data(line)) else { return nil }
    if !parsed.progress.isFinite { return nil }
    parsed.progress = min(max(parsed.progress, 0), 1)
    parsed.secondsLeft = parsed.secondsLeft.flatMap { seconds in
      seconds.isFinite ? min(max(seconds, 0), maximumSecondsLeft) : nil
    }
    parsed.stage = String(
      String.UnicodeScalarView(
        parsed.stage.unicodeScalars.filter { $0.value >= 0x20 }.prefix(maximumStageLength)))
    return parsed
  }
}

/// Cuts a stream into lines of bounded length; longer ones are dropped whole.
struct LineSplitter {
  private var line: [UInt8] = []
  private var isDropping = false
  static let maximumLength = 4096

  mutating func append(_ bytes: some Sequence<UInt8>, _ receive: ([UInt8]) -> Void) {
    for byte in bytes {
      if byte == UInt8(ascii: "\n") {
        if !isDropping && !line.isEmpty { receive(line) }
        line.removeAll(keepingCapacity: true)
        isDropping = false
      } else if line.count == Self.maximumLength {
        isDropping = true
      } else {
        line.append(byte)
      }
    }
  }
}
