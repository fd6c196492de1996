import Dispatch
import HTTPTransport
import Logging

/// Brings requests to their endpoints.
struct ServingHandler: RequestHandler {
  /// Read as JSON in about a millisecond.
  private static let smallBodyBytes = 64 << 10

  private let context: ServingContext
  private let router: Router
  /// For endpoints that wait for disk or database. Its width is Dispatch's own limit.
  private let blocking = DispatchQueue(label: "adze.requests", attributes: .concurrent)

  init(context: ServingContext) {
    self.context = context
    router = Router(Endpoints.all)
  }

  func bodyMode(for head: RequestHead) -> BodyDecision {
    switch find(head) {
    case .success(let (route, _, _)): return .accept(route.body.mode(context.core.configuration))
    case .failure(let refusal):
      log(head, refusal.response.status)
      return .reject(refusal.response)
    }
  }

  func handle(_ exchange: Exchange) {
    // Requests of this turn do not wait for the reading of large ones.
    if exchange.body.count > Self.smallBodyBytes { endTurn() }
    switch find(exchange.head) {
    case .success(let (route, target, values)):
      run(route.work, Call(exchange: exchange, target: target, values: values, context: context))
    case .failure(let refusal): exchange.respond(refusal.response)
    }
  }

  func endTurn() { context.core.workers.endTurn() }

  func errorResponse(status: Int, reason: String) -> Response { .error(status: status, reason) }

  private struct Refusal: Error {
    let response: Response
  }

  private func find(
    _ head: RequestHead
  ) -> Result<(Route, RequestTarget, [(name: String, value: String)]), Refusal> {
    let target: RequestTarget
    do throws(ServingError) {
      target = try RequestTarget(path: head.path, query: head.query)
    } catch {
      return .failure(Refusal(response: .error(error)))
    }
    switch router.match(method: head.method, target.segments) {
    case .found(let route, let values): return .success((route, target, values))
    case .methodNotAllowed(let allowed):
      return .failure(
        Refusal(
          response: .error(
            status: 405, "Method Not Allowed", headers: ["allow": allowed.joined(separator: ", ")])))
    case .notFound: return .failure(Refusal(response: .error(status: 404, "Not Found")))
    }
  }

  private func run(_ work: Route.Work, _ call: Call) {
    switch work {
    case .inline(let answer):
      endTurn()
      Self.answer(call, answer)
    case .blocking(let answer): blocking.async { Self.answer(call, answer) }
    case .exchange(let start):
      do throws(ServingError) { try start(call) } catch { call.respond(error) }
    }
  }

  private static func answer(_ call: Call, _ answer: (Call) throws(ServingError) -> Response) {
    do throws(ServingError) { call.respond(try answer(call)) } catch { call.respond(error) }
  }

  private func log(_ head: RequestHead, _ status: Int) {
    context.logger.debug(
      "request", metadata: ["method": "\(head.method)", "path": "\(head.path)", "status": "\(status)"])
  }
}
