import Glibc

/// One call of the curl program: what it sent back.
struct Curl {
  let status: Int
  /// Lower-case names; the last of several fields of one name.
  let headers: [String: String]
  let body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }

  struct Failure: Error {
    let exitCode: Int32
  }

  /// Runs `curl arguments… url` and reads status, headers and body from its standard output.
  /// - Parameter input: what `-d @-`, `--data-binary @-` and `-T -` read.
  static func run(_ url: String, _ arguments: [String], input: [UInt8]? = nil) throws -> Curl {
    var command = ["curl", "-sS", "-i", "--globoff", "--max-time", "60"] + arguments + [url]
    var inputFile: String?
    if let input {
      let path = RunDirectory.path("input")
      try writeFile(input, to: path)
      inputFile = path
    }
    defer { if let inputFile { unlink(inputFile) } }
    command = command.map(quoted)
    let line = command.joined(separator: " ") + " <" + quoted(inputFile ?? "/dev/null")
    let (output, exitCode) = try shell(line)
    guard let reply = parse(output[...]) else { throw Failure(exitCode: exitCode) }
    return reply
  }

  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  /// Standard output and exit code of a shell command.
  static func shell(_ line: String) throws -> (output: [UInt8], exitCode: Int32) {
    guard let pipe = popen(line, "r") else { throw Failure(exitCode: errno) }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { output += buffer[..<count] }
    return (output, pclose(pipe) >> 8)
  }

  /// Interim answers (100, 101) come before the one that counts.
  private static func parse(_ raw: ArraySlice<UInt8>) -> Curl? {
    var rest = raw
    while true {
      let end: [UInt8] = [13, 10, 13, 10]
      guard let blank = rest.indices.first(where: { rest[$0...].starts(with: end) }) else { return nil }
      let lines = String(decoding: rest[..<blank], as: UTF8.self).split(separator: "\r\n")
      guard let first = lines.first, first.hasPrefix("HTTP/"),
        let status = Int(first.split(separator: " ")[1])
      else { return nil }
      rest = rest[(blank + 4)...]
      if status < 200 { continue }
      var headers: [String: String] = [:]
      for line in lines.dropFirst() {
        guard let colon = line.firstIndex(of: ":") else { continue }
        headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
      }
      return Curl(status: status, headers: headers, body: Array(rest))
    }
  }
}

/// Directories that are removed when the test process ends, for servers that live as long.
enum RunDirectory {
  static let root: String = {
    var template = Array("/tmp/adze-tests-XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil, "no temporary directory")
    atexit { system("rm -rf '\(RunDirectory.root)'") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }()

  /// A path in it that nobody else uses.
  static func path(_ name: String) -> String { root + "/\(UInt64.random(in: 0...UInt64.max))-" + name }

  static func make() throws -> String {
    let path = path("server")
    if mkdir(path, 0o700) != 0 { throw Curl.Failure(exitCode: errno) }
    return path
  }
}

func writeFile(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
  if descriptor < 0 { throw Curl.Failure(exitCode: errno) }
  defer { close(descriptor) }
  var written = 0
  while written < bytes.count {
    let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, bytes.count - written) }
    if count < 0 { throw Curl.Failure(exitCode: errno) }
    written += count
  }
}
