import GraphIR
import Tensors

public struct CompileOptions: Sendable {
  /// Join operators into faster ones that compute the same. Off only to look for errors.
  public var fuse = true
  /// Which elements share a scale when a fused product quantizes its float input.
  public var dynamicQuantization = DynamicQuantization.perTensor
  /// The most bytes that one tensor may take.
  public var tensorLimit = 4 << 30
  /// The most bytes that all values of one run may take together.
  public var arenaLimit = 16 << 30
  /// The most turns that one run of a Loop, Scan or SequenceMap may take, and the seconds after which it takes no
  /// further one.
  public var loopTurnLimit = 1 << 24
  public var loopSecondsLimit = 300
  /// How deep sub-graphs may be nested.
  public var bodyDepthLimit = 16
  /// Whether an output that is a sequence of maps from class label to score (ZipMap) becomes the matrix of scores
  /// `[batch, classes]`, with `Port.labels`.
  public var mapsAsTensors = false
  /// The form of constant float32 matrices that products multiply by. nil: what is fastest here, by measurement where
  /// many elements are zero. A kind: that one wherever a matrix can have it, to test or to compare.
  public var weightForm: WeightFormKind?

  public init() {}
}

/// Which elements of x share scale and zero point where DynamicQuantizeLinear and the product that reads it are
/// computed together.
public enum DynamicQuantization: Sendable {
  /// All, as ONNX says: results are those of the graph as written, within float rounding. Each row's result
  /// depends on all rows of the run.
  case perTensor
  /// Those of one request (`Session.requestsPerRun`), so that each request gets the results of the graph as written,
  /// whatever else is in its batch. Holds for programs whose rows are independent that way (`Program.batching`); all
  /// others are computed per tensor.
  case perRequest
}

/// An input or output of a program.
public struct Port: Sendable, Hashable {
  public let name: String
  public let element: ElementType
  /// nil when not even the rank is known.
  public let dimensions: [Dimension]?
  /// Inputs that have a default are not listed, so this is false unless the type itself is optional.
  public let isOptional: Bool
  /// False for sequences and maps and for optionals of them; `element` and `dimensions` are then those of their
  /// elements, and `Session.run(values:)` takes and gives them.
  public let isTensor: Bool
  /// The classes that the columns of an output stand for, as far as the model says (`CompileOptions.mapsAsTensors`).
  public let labels: PortLabels?
}

/// One node, ready to be planned.
struct CompiledNode: Sendable {
  let node: Node
  /// The name that messages use.
  let label: String
  let runner: NodeRunner
}

/// A model that is ready to run: nodes decoded, constants folded, weights packed once and shared.
///
/// Immutable but for the weights' packed forms, which are made when first needed. Any number of sessions
/// may use it at the same time.
public final class Program: Sendable {
  /// The inputs that a caller provides. Inputs with a default keep it and are not listed.
  public let inputs: [Port]
  public let outputs: [Port]
  public let statistics: ProgramStatistics
  /// Whether rows of several requests may be run together, as far as the graph shows.
  public let batching: Batching
  /// True when results depend on which rows are one request (`Session.requestsPerRun`).
  public let quantizesByRequest: Bool

  let graph: Graph
  let nodes: [CompiledNode]
  let options: CompileOptions
  /// True for the program of a sub-graph, which only its node runs: it has no ports.
  let isBody: Bool

  /// - Parameter batching: nil for a sub-graph.
  init(
    graph: Graph, nodes: [CompiledNode], options: CompileOptions, batching: Batching?,
    labels: [String: PortLabels] = [:]
  ) throws(EngineError) {
    self.graph = graph
    self.nodes = nodes
    self.options = options
    let isBody = batching == nil
    self.isBody = isBody
    inputs = isBody ? [] : try Self.ports(graph.inputs, graph)
    outputs = isBody ? [] : try Self.ports(graph.outputs, graph, labels)
    statistics = ProgramStatistics(graph)
    self.batching = batching ?? .none(reason: "it is a sub-graph")
    quantizesByRequest = nodes.contains { $0.node.attributes.int(FusedOperator.perRequest) ?? 0 != 0 }
  }

  private static func ports(_ ids: [ValueID], _ graph: Graph, _ labels: [String: PortLabels] = [:])
    throws(EngineError) -> [Port]
  {
    var ports: [Port] = []
    for id in ids {
      let value = graph[id]
      var type = value.type
      var isOptional = false
      if case .optional(let inner)? = type {
        type = inner
        isOptional = true
      }
      var isTensor = true
      while case .sequence(let inner)? = type {
        type = inner
        isTensor = false
      }
      if case .map(_, let inner)? = type {
        type = inner
        isTensor = false
      }
      guard let tensor = type?.tensor else {
        throw .invalidModel("value '\(value.name)' is no tensor, or its type is not known")
      }
      ports.append(
        Port(
          name: value.name, element: tensor.element, dimensions: tensor.dimensions, isOptional: isOptional,
          isTensor: isTensor, labels: labels[value.name]))
    }
    return ports
  }
}

/// What a program consists of, independent of input shapes.
public struct ProgramStatistics: Sendable, Hashable {
  /// Elements of all weights.
  public let parameters: Int
  public let weightBytes: Int
  public let nodes: Int

  init(_ graph: Graph) {
    var parameters = 0
    var bytes = 0
    var seen = Set<ValueID>()
    for node in graph.nodes {
      for id in node.inputs where !id.isNone && seen.insert(id).inserted {
        guard let weight = graph[id].constant else { continue }
        parameters += weight.elementCount
        bytes += weight.byteCount
      }
    }
    self.parameters = parameters
    weightBytes = bytes
    nodes = graph.nodes.count
  }
}
