import GraphIR
import Tensors

/// A sub-graph of a node, compiled with it. Its program takes the sub-graph's inputs, then the values of the
/// graph around it that it reads.
struct Body: Sendable {
  let graph: Graph
  let program: Program
  /// Where the captured values lie in the inputs of the node, as `CaptureLowering` left them.
  let captures: Range<Int>

  /// Runs the sub-graph once.
  func run(
    _ inputs: [RuntimeValue], node nodeInputs: ValueInputs, _ context: DynamicContext
  ) throws -> [RuntimeValue] {
    let session = context.bodies.session(for: program, team: context.team)
    session.isCancelled = context.isCancelled
    return try session.run(values: inputs + captures.map { try nodeInputs.value($0) })
  }

  /// An empty tensor in place of what `output` gives: no turn was taken. Unknown extents are 0.
  func emptyResult(_ output: Int, addingAxis axis: Int) throws -> RuntimeValue {
    guard let type = graph[graph.outputs[output]].type?.tensor else {
      throw OperatorFailure.unsupported("the element type of output \(output) of its body is not known")
    }
    var dimensions = (type.dimensions ?? []).map { $0.extent ?? 0 }
    let position = axis < 0 ? axis + dimensions.count + 1 : axis
    guard (0...dimensions.count).contains(position) else {
      throw OperatorFailure.invalid("the axis of output \(output) is out of range")
    }
    dimensions.insert(0, at: position)
    return .tensor(try Tensor(type: type.element, shape: Shape(dimensions)))
  }
}

/// The sessions of a session's sub-graphs, kept from run to run. Confined to the session that owns them.
final class BodySessions {
  private var sessions: [ObjectIdentifier: Session] = [:]

  func session(for program: Program, team: ThreadTeam) -> Session {
    if let session = sessions[ObjectIdentifier(program)] { return session }
    // The session keeps the program, so its identifier stays its own.
    let session = Session(program, team: team)
    sessions[ObjectIdentifier(program)] = session
    return session
  }
}

/// Makes what sub-graphs read of the graph around them visible: constants become their own, all else becomes
/// further inputs of the node, in the order of its attributes.
enum CaptureLowering {
  static func apply(to graph: inout Graph) {
    graph.localizeConstants()
    for index in graph.nodes.indices where !graph.nodes[index].bodies.isEmpty {
      var node = graph.nodes[index]
      for entry in node.attributes.entries {
        guard case .graph(var body) = entry.value else { continue }
        for capture in body.captures {
          body[capture.inner].type = graph[capture.outer].type ?? body[capture.inner].type
          node.inputs.append(capture.outer)
        }
        node.attributes[entry.name] = .graph(body)
      }
      graph.nodes[index] = node
    }
  }
}

/// The node of an operator with sub-graphs, with its inputs as the model lists them.
struct BodySource {
  let node: Node
  private let bodies: [String: Body]

  init(_ source: OperatorSource) throws {
    var node = source.node
    var bodies: [String: Body] = [:]
    let count = node.bodies.reduce(0) { $0 + $1.captures.count }
    var next = node.inputs.count - count
    for entry in node.attributes.entries {
      guard case .graph(let graph) = entry.value else { continue }
      let end = next + graph.captures.count
      bodies[entry.name] = Body(
        graph: graph, program: try Program.compile(body: graph, options: source.options), captures: next..<end
      )
      next = end
    }
    node.inputs.removeLast(count)
    self.node = node
    self.bodies = bodies
  }

  func body(_ name: String) throws -> Body {
    guard let body = bodies[name] else {
      throw OperatorFailure.invalid("attribute '\(name)' must be a graph")
    }
    return body
  }
}

/// What a model may ask of sub-graphs.
enum BodyCheck {
  /// - Throws: `EngineError.invalidModel`.
  static func depth(of graph: Graph, limit: Int) throws(EngineError) {
    for node in graph.nodes {
      for body in node.bodies {
        if limit == 0 { throw .invalidModel("graph '\(graph.name)': sub-graphs are nested too deep") }
        try depth(of: body, limit: limit - 1)
      }
    }
  }

  /// Lets go of the shapes that Loop bodies declare for their state: it may change them from turn to turn, and
  /// exporters write down those of the first.
  static func forgetStateShapes(_ graph: inout Graph) {
    for index in graph.nodes.indices {
      for entry in graph.nodes[index].attributes.entries {
        guard case .graph(var body) = entry.value else { continue }
        forgetStateShapes(&body)
        if graph.nodes[index].op == "Loop" {
          let carried = max(0, body.inputs.count - 2)
          for id in body.inputs.dropFirst(2) + body.outputs.dropFirst().prefix(carried) {
            guard body[id].constant == nil, case .tensor(let type)? = body[id].type else { continue }
            body[id].type = .tensor(TensorType(type.element, nil))
          }
        }
        graph.nodes[index].attributes[entry.name] = .graph(body)
      }
    }
  }
}
