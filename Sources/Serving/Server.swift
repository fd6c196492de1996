import Dispatch
import HTTPTransport
import Logging

/// The whole server: models, workers and jobs behind one HTTP port.
public final class Server: Sendable {
  public static let version = "0.1.0"

  private let context: ServingContext
  private let http: HTTPServer

  /// Takes the directories and binds the port, so that a second server fails here; serves after `start`.
  /// - Throws: `ConfigurationError`, `ServingError`, `TransportError`.
  public init(
    configuration: ServingConfiguration, transport: TransportConfiguration, logger: Logger
  ) throws {
    let core = try ServingCore(configuration: configuration, logger: logger)
    context = ServingContext(core: core, logger: logger)
    http = try HTTPServer(configuration: transport, handler: ServingHandler(context: context))
    context.setTransport { [weak http] in http?.statistics }
  }

  /// The port it listens on, also when the configuration left the choice to the system.
  public var port: Int { http.port }

  /// True once every model was tried and until `drain`: what `/v2/health/ready` says.
  public var isReady: Bool { context.isReady }

  /// Starts answering, then loads the models; returns at once. Call once.
  public func start() {
    http.start()
    context.core.start()
  }

  /// Turns readiness off, stops accepting, lets requests in flight finish for at most `seconds`, then ends jobs
  /// and workers. `completion` is called once, when all is still.
  public func drain(deadline seconds: Double, completion: @escaping @Sendable () -> Void) {
    context.beginDraining()
    http.drain(deadline: seconds) { [context] in
      DispatchQueue.global().async {
        context.core.stop()
        completion()
      }
    }
  }
}
