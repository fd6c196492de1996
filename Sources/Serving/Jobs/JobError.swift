/// The texts that say why a job failed. What the job's process wrote is cleaned of control characters and of the
/// server's own paths.
enum JobError {
  private static let maximumLength = 1000

  static func text(_ result: ChildProcess.Result, timeLimit: Int, hiding paths: [String]) -> String? {
    switch result.end {
    case .exited(code: 0): nil
    case .exited(code: let code):
      lastLine(result.errorTail, hiding: paths) ?? "the job's process ended with exit code \(code)"
    case .killed(signal: let signal):
      "the job's process was ended by signal \(signal)\(name(signal)): it ran out of memory, crashed, or was killed"
    case .timedOut: "the job took longer than its limit of \(timeLimit) seconds"
    case .cancelled: "the job was cancelled"
    }
  }

  private static func name(_ signal: Int32) -> String {
    let names: [Int32: String] = [
      4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM", 24: "SIGXCPU",
    ]
    return names[signal].map { " (\($0))" } ?? ""
  }

  /// The last line of standard error that says something.
  static func lastLine(_ tail: [UInt8], hiding paths: [String]) -> String? {
    let lines = tail.split(separator: UInt8(ascii: "\n"))
    for line in lines.reversed() {
      let scalars = String(decoding: line, as: UTF8.self).unicodeScalars.filter {
        $0.value >= 0x20 && $0.value != 0x7F
      }
      var text = String(String.UnicodeScalarView(scalars))
      for path in paths where !path.isEmpty { text.replace(path + "/", with: "") }
      if text.hasPrefix("Error: ") { text.removeFirst(7) }
      if text.contains(where: { $0 != " " }) { return String(text.prefix(maximumLength)) }
    }
    return nil
  }
}
