import HTTPTransport
import Logging

/// `GET /v2/logging`. The level is set where the server is started, never from the network.
enum LoggingEndpoint {
  static let routes: [Route] = [.get("/v2/logging", .inline { .json(settings($0.context.logger.logLevel)) })]

  private static func settings(_ level: Logger.Level) -> JSONValue {
    [
      "log_file": "", "log_info": .bool(level <= .info), "log_warning": .bool(level <= .warning),
      "log_error": .bool(level <= .error), "log_verbose_level": level <= .debug ? 1 : 0,
      "log_format": "ISO8601",
    ]
  }
}
