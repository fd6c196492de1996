import Tensors

/// How a node of an operator that is not of ai.onnx's newest set, but equal to a few that are, is written with them.
struct ContribForm: Sendable {
  typealias Expansion = @Sendable (inout NodeExpansion) throws -> Void

  /// What a node may list; the outputs' types follow from the nodes that take its place.
  let signature: OperatorRule
  /// float16 and bfloat16 operands are computed with as float32.
  let isComputedInFloat32: Bool
  /// Outputs that are float32 whatever the inputs are.
  let float32Outputs: Set<Int>
  let expand: Expansion

  init(
    _ op: OperatorName, inputs: ClosedRange<Int>, outputs: ClosedRange<Int> = 1...1, required: Int? = nil,
    attributes: [String] = [], isComputedInFloat32: Bool = true, float32Outputs: Set<Int> = [],
    expand: @escaping Expansion
  ) {
    signature = OperatorRule(
      op, inputs: inputs, outputs: outputs, requiredInputs: required, attributes: attributes,
      infer: { _ in })
    self.isComputedInFloat32 = isComputedInFloat32
    self.float32Outputs = float32Outputs
    self.expand = expand
  }
}

/// The operators that onnxruntime's optimizers and quantizers write (domain com.microsoft, version 1;
/// https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md), and those that ai.onnx gave up.
public enum ContribOperators {
  static let forms: [OperatorName: ContribForm] = {
    let all: [[ContribForm]] = [
      ContribQuantization.forms, ContribPooling.forms, ContribProducts.forms, ContribActivations.forms,
      ContribNormalization.forms, ContribEmbedding.forms, ContribAttention.forms, ContribGroupQuery.forms,
      ContribPositions.forms,
      ContribRenamed.forms, ExperimentalOperators.forms,
    ]
    return Dictionary(uniqueKeysWithValues: all.joined().map { ($0.signature.op, $0) })
  }()

  /// The oldest opset that has all operators that these are written with.
  public static let opset = 24

  public static func isKnown(_ op: OperatorName) -> Bool { forms[op] != nil }

  /// Every operator that is written with others, sorted by name.
  public static var all: [OperatorName] { forms.keys.sorted { $0.description < $1.description } }
}

extension Model {
  /// Whether a node is of an operator that `lowerContribOperators` replaces.
  public var hasContribOperators: Bool { graph.hasContribOperators }

  /// Writes contrib operators with those of ai.onnx, in sub-graphs too, so that passes, fusion and compression see one
  /// form only. The model must be of opset `ContribOperators.opset` at least.
  /// - Throws: `GraphError` for a node with attributes, inputs or outputs that have no equal, or of an operator that
  ///   is not known.
  public mutating func lowerContribOperators() throws {
    if !graph.hasContribOperators { return }
    _ = try Passes.hoistConstantNodes(&self)
    var names = UniqueNames(taken: graph.allValueNames)
    try graph.lowerContribOperators(captured: [:], names: &names)
  }
}

extension Graph {
  fileprivate var hasContribOperators: Bool {
    nodes.contains { node in
      ContribOperators.forms[node.op] != nil || node.bodies.contains { $0.hasContribOperators }
    }
  }

  fileprivate mutating func lowerContribOperators(
    captured: [ValueID: CapturedValue], names: inout UniqueNames
  ) throws {
    var inference = TypeInference(graph: self, captured: captured)
    try inference.recordConstants()
    inference.graph.nodes = []
    inference.graph.nodes.reserveCapacity(nodes.count)
    var expansion = NodeExpansion(inference, names: names)
    for node in nodes {
      if let form = ContribOperators.forms[node.op] {
        try expansion.expand(node, form)
      } else {
        // What follows an operator that is not known would be judged without its types.
        if OperatorTable.rule(for: node.op) == nil {
          throw GraphError.unknownOperator(name: label(of: node), op: node.op.description)
        }
        try expansion.append(expansion.loweringBodies(of: node))
      }
    }
    names = expansion.names
    self = expansion.inference.graph
  }
}

extension NodeExpansion {
  fileprivate mutating func loweringBodies(of node: Node) throws -> Node {
    var node = node
    for entry in node.attributes.entries {
      switch entry.value {
      case .graph(let body):
        node.attributes[entry.name] = .graph(try lowered(body, of: node))
      case .graphs(let bodies):
        var results: [Graph] = []
        for body in bodies { results.append(try lowered(body, of: node)) }
        node.attributes[entry.name] = .graphs(results)
      default: break
      }
    }
    return node
  }

  private mutating func lowered(_ body: Graph, of node: Node) throws -> Graph {
    var body = body
    if !body.hasContribOperators { return body }
    let captured = inference.captured(by: &body, of: node)
    try body.lowerContribOperators(captured: captured, names: &names)
    return body
  }
}
