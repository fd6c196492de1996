import HTTPTransport

/// `GET /`: what there is, as plain text.
enum IndexEndpoint {
  static let routes: [Route] = [.get("/", .inline { _ in page })]

  private static var page: Response {
    var text = "Adze: serves ONNX models and compresses them on request.\n\n"
    for route in Endpoints.all {
      text += route.method + String(repeating: " ", count: 8 - route.method.count) + route.path + "\n"
    }
    return Response(
      status: 200, headers: ["content-type": "text/plain; charset=utf-8"], body: .bytes(Array(text.utf8)))
  }
}
