import Glibc

/// Where text goes: results to stdout, everything else to stderr.
enum Console {
  static func result(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }
  static func message(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

  static var showsProgress: Bool { isatty(STDERR_FILENO) == 1 }

  static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
        if written < 0 && errno == EINTR { continue }
        if written <= 0 { return }  // the reader is gone; there is nobody to tell
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      }
    }
  }
}

/// A bar on a terminal's last line; silent elsewhere, so that logs stay clean.
struct ProgressBar {
  private let enabled = Console.showsProgress
  private var shown = ""

  /// - Parameter fraction: 0…1.
  mutating func show(_ fraction: Double, _ stage: String, secondsLeft: Double? = nil) {
    if !enabled { return }
    let width = 30
    let filled = min(width, max(0, Int(fraction * Double(width))))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    let left = secondsLeft.map { ", \(Self.time($0)) left" } ?? ""
    let line = "\(bar) \(Int(fraction * 100)) % \(stage)\(left)"
    if line == shown { return }
    shown = line
    Console.write("\r\u{1B}[K\(line)", to: STDERR_FILENO)
  }

  /// `12 s`, `3 min`, `2 h 5 min`: as exactly as an estimate deserves.
  private static func time(_ seconds: Double) -> String {
    let whole = Int(min(seconds.rounded(.up), 1e9))
    if whole < 100 { return "\(whole) s" }
    let minutes = (whole + 30) / 60
    return minutes < 100 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
  }

  mutating func finish() {
    if enabled && !shown.isEmpty { Console.write("\r\u{1B}[K", to: STDERR_FILENO) }
    shown = ""
  }
}
