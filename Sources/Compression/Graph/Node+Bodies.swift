import GraphIR

extension Node {
  /// Changes each of the graphs among the attributes.
  mutating func changeBodies<Failure: Error>(_ change: (inout Graph) throws(Failure) -> Void) throws(Failure)
  {
    for entry in attributes.entries {
      switch entry.value {
      case .graph(var body):
        try change(&body)
        attributes[entry.name] = .graph(body)
      case .graphs(var bodies):
        for index in bodies.indices { try change(&bodies[index]) }
        attributes[entry.name] = .graphs(bodies)
      default: break
      }
    }
  }
}
