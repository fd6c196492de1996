/// Finds the route of a method and path. A literal segment goes before `{name}`.
struct Router: Sendable {
  enum Match: Sendable {
    /// `values` are the segments that stood for `{name}`s.
    case found(Route, values: [(name: String, value: String)])
    /// The path exists, but not with this method.
    case methodNotAllowed(allowed: [String])
    case notFound
  }

  private struct Node: Sendable {
    var literals: [String: Node] = [:]
    /// One or none; an array because a struct cannot hold itself.
    var parameter: [Parameter] = []
    var routes: [Route] = []
  }

  private struct Parameter: Sendable {
    let name: String
    var node: Node
  }

  private var root = Node()

  init(_ routes: [Route]) {
    for route in routes { Self.insert(route, route.path.split(separator: "/")[...], into: &root) }
  }

  private static func insert(_ route: Route, _ path: ArraySlice<Substring>, into node: inout Node) {
    guard let segment = path.first else {
      precondition(
        !node.routes.contains { $0.method == route.method }, "\(route.method) \(route.path) is there twice")
      node.routes.append(route)
      return
    }
    if segment.hasPrefix("{") {
      let name = String(segment.dropFirst().dropLast())
      if node.parameter.isEmpty { node.parameter = [Parameter(name: name, node: Node())] }
      precondition(
        node.parameter[0].name == name, "\(route.path): the segment is '\(node.parameter[0].name)' elsewhere")
      insert(route, path.dropFirst(), into: &node.parameter[0].node)
    } else {
      insert(route, path.dropFirst(), into: &node.literals[String(segment), default: Node()])
    }
  }

  func match(method: String, _ segments: [String]) -> Match {
    var values: [(name: String, value: String)] = []
    guard let routes = Self.find(segments[...], in: root, &values) else { return .notFound }
    // A HEAD is answered as the GET that it asks about; the transport leaves the body out.
    let wanted = method == "HEAD" ? "GET" : method
    if let route = routes.first(where: { $0.method == wanted }) { return .found(route, values: values) }
    let allowed = routes.map(\.method)
    return .methodNotAllowed(allowed: allowed.contains("GET") ? allowed + ["HEAD"] : allowed)
  }

  private static func find(
    _ path: ArraySlice<String>, in node: Node, _ values: inout [(name: String, value: String)]
  ) -> [Route]? {
    guard let segment = path.first else { return node.routes.isEmpty ? nil : node.routes }
    if let next = node.literals[segment], let found = find(path.dropFirst(), in: next, &values) {
      return found
    }
    guard let parameter = node.parameter.first else { return nil }
    values.append((name: parameter.name, value: segment))
    if let found = find(path.dropFirst(), in: parameter.node, &values) { return found }
    values.removeLast()
    return nil
  }
}
