import GraphIR
import Tensors

/// What is in a model, and what the methods could do with each part: nothing is run, no data are needed.
public struct Inspection: Encodable, Sendable {
  public struct Port: Encodable, Sendable {
    public var name: String
    public var datatype: String
    /// Extents; -1 stands for a free one, `symbols` names it.
    public var shape: [Int]
    public var symbols: [String?]
  }

  public struct Layer: Encodable, Sendable {
    public var name: String
    public var op: String
    /// Of the weight.
    public var shape: [Int]
    public var parameters: Int
    public var zeros: Int
    /// Multiply-accumulates for one sample, free extents taken as 1; nil when the output's shape is not known.
    public var macs: Int?
    /// What recipes can do here: `prune`, `int8 dynamic`, `int4 weights` … Whether it is worth it, a report tells.
    public var methods: [String]
    /// Why nothing can be done.
    public var reason: String?
  }

  public var irVersion: Int
  public var opsets: [String: Int]
  public var producer: String
  public var inputs: [Port]
  public var outputs: [Port]
  public var nodes: Int
  public var operators: [String: Int]
  public var parameters: Int
  public var nonzeros: Int
  public var macs: Int
  /// Bytes of the weights that methods can work on, now and as 8-bit integers.
  public var compressibleBytes: Int
  public var compressibleBytesInt8: Int
  public var layers: [Layer]
  public var metadata: [String: String]

  enum CodingKeys: String, CodingKey {
    case irVersion = "ir_version"
    case opsets, producer, inputs, outputs, nodes, operators, parameters, nonzeros, macs, layers, metadata
    case compressibleBytes = "compressible_bytes"
    case compressibleBytesInt8 = "compressible_bytes_int8"
  }

  /// Looks at `model` as the methods see it: constants hoisted, batch normalisation folded.
  /// - Throws: `CompressionError.model`.
  public init(_ model: Model) throws(CompressionError) {
    let seen = try Normalizer.normalized(model)
    let scan = LayerScan(seen)
    let size = ModelSize(model)
    irVersion = model.irVersion
    opsets = model.opsets.reduce(into: [:]) { $0[$1.key.isEmpty ? "ai.onnx" : $1.key] = $1.value }
    producer = [model.producerName, model.producerVersion].filter { !$0.isEmpty }.joined(separator: " ")
    inputs = model.graph.requiredInputs.map { Self.port(model.graph[$0]) }
    outputs = model.graph.outputs.map { Self.port(model.graph[$0]) }
    nodes = model.graph.nodes.count
    operators = model.graph.nodes.reduce(into: [:]) { $0[$1.op.description, default: 0] += 1 }
    parameters = size.parameters
    nonzeros = size.nonzeros
    metadata = Dictionary(model.metadata.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    let counter = MultiplyCount(seen)
    layers = scan.all.map { layer in
      let graph = seen[graph: layer.path]
      let macs = layer.path.steps.isEmpty ? counter.perSample(layer, in: graph) : nil
      return Self.layer(layer, in: graph, macs: macs)
    }
    layers += scan.untouched.map(Self.layer)
    macs = layers.reduce(0) { $0 + ($1.macs ?? 0) }
    compressibleBytesInt8 = scan.all.reduce(0) { $0 + $1.weights.elementCount }
    compressibleBytes = compressibleBytesInt8 * MemoryLayout<Float>.size
  }

  private static func port(_ value: Value) -> Port {
    let type = value.type?.tensor
    let dimensions = type?.dimensions ?? []
    return Port(
      name: value.name, datatype: type?.element.name ?? "unknown", shape: dimensions.map { $0.extent ?? -1 },
      symbols: dimensions.map { if case .symbol(let name) = $0 { name } else { nil } })
  }

  private static func layer(_ layer: WeightLayer, in graph: Graph, macs: Int?) -> Layer {
    let zeros = layer.weights.withElements(Float.self) { $0.reduce(0) { $0 + ($1 == 0 ? 1 : 0) } }
    return Layer(
      name: layer.name, op: layer.op.description, shape: layer.shape.dimensions,
      parameters: layer.weights.elementCount, zeros: zeros, macs: macs,
      methods: LayerMethods.offers(for: layer, in: graph).map(\.name),
      reason: nil)
  }

  private static func layer(_ layer: UntouchedLayer) -> Layer {
    Layer(
      name: layer.name, op: layer.op.description, shape: layer.shape.dimensions,
      parameters: layer.shape.elementCount, zeros: 0, macs: nil, methods: [], reason: layer.reason)
  }
}
