import ArgumentParser
import Dispatch
import Engine
import Glibc
import HTTPTransport
import Logging
import Serving

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Starts the server; SIGTERM or SIGINT drains and ends it.",
    discussion: """
      One port speaks HTTP/1.1 and HTTP/2. Every option of config/adze.yaml can also be set in the environment
      (http.port is ADZE_HTTP_PORT) or with --set http.port=9000.

      adze serve --config config/adze.yaml
      curl -s localhost:8080/v2/health/ready
      """)

  @Option(help: "A YAML configuration file.") var config: String?
  @Option(help: "Port to listen on (http.port); 0 lets the system choose.") var port: Int?
  @Option(help: "Directory of the model repository (models.directory).") var models: String?
  @Option(name: .customLong("set"), help: "key=value: any option of the configuration file; repeatable.")
  var overrides: [String] = []

  func run() async throws {
    let settings = try await SettingsReader.read(file: config, overrides: try commandLineOverrides())
    let logger = try makeLogger(settings.logLevel)
    do {
      try runServer(settings, logger)
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  private func commandLineOverrides() throws(CommandFailure) -> [(key: String, value: String)] {
    var result: [(key: String, value: String)] = []
    for text in overrides {
      guard let equals = text.firstIndex(of: "=") else {
        throw CommandFailure("--set \(text): write key=value")
      }
      result.append((String(text[..<equals]), String(text[text.index(after: equals)...])))
    }
    if let port { result.append(("http.port", String(port))) }
    if let models { result.append(("models.directory", models)) }
    return result
  }

  private func makeLogger(_ level: String) throws(CommandFailure) -> Logger {
    guard let level = Logger.Level(rawValue: level) else {
      let allowed = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandFailure("log.level: '\(level)' is not one of \(allowed)")
    }
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var logger = Logger(label: "adze")
    logger.logLevel = level
    return logger
  }
}

/// Serves until a signal asks to stop. Outside the command's type, because closures formed in an async
/// command may inherit an isolation that Dispatch does not keep.
private func runServer(_ settings: ServeSettings, _ logger: Logger) throws {
  signal(SIGPIPE, SIG_IGN)
  raiseDescriptorLimit()
  let server = try Server(configuration: settings.serving, transport: settings.transport, logger: logger)
  let stopped = DispatchSemaphore(value: 0)
  let queue = DispatchQueue(label: "adze.signals")
  let sources = [SIGTERM, SIGINT].map { number in
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
    source.setEventHandler {
      logger.info("draining", metadata: ["signal": "\(number)"])
      server.drain(deadline: settings.drainSeconds) { stopped.signal() }
    }
    source.resume()
    return source
  }
  server.start()
  logger.info("serving", metadata: ["port": "\(server.port)", "isa": "\(CPU.isa)"])
  stopped.wait()
  for source in sources { source.cancel() }
  logger.info("stopped")
}

/// Every connection takes a descriptor, and the soft limit is often far below what the system allows.
private func raiseDescriptorLimit() {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
  limit.rlim_cur = limit.rlim_max
  setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
