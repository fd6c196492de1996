import GraphIR
import Tensors

/// Counts what a model holds.
struct ModelSize {
  /// Elements of all constants but the scales and zero points of quantization.
  private(set) var parameters = 0
  private(set) var nonzeros = 0

  /// Constants that are packed count as what they stand for, those of Constant nodes as any other.
  init(_ model: Model) {
    let plain = (try? Self.plain(model)) ?? model
    count(plain.graph)
    for function in plain.functions { count(function.body) }
  }

  private static func plain(_ model: Model) throws(GraphError) -> Model {
    var plain = model
    _ = try Passes.hoistConstantNodes(&plain)
    _ = try Passes.expandPackedConstants(&plain)
    return plain
  }

  private mutating func count(_ graph: Graph) {
    var zeros: [ValueID: ZeroCodes] = [:]
    var helpers: Set<ValueID> = []
    let index = GraphIndex(graph)
    for node in graph.nodes {
      for subgraph in node.bodies { count(subgraph) }
      let places = Self.quantizationInputs(of: node.op)
      for place in places.helpers where place < node.inputs.count { helpers.insert(node.inputs[place]) }
      if let (codes, zeroPoint) = places.codes, codes < node.inputs.count, zeroPoint < node.inputs.count {
        let constant = graph.constant(node.inputs[zeroPoint])
        zeros[node.inputs[codes]] = ZeroCodes(zeroPoint: constant, node.attributes)
      } else if node.op == "Cast", let levels = Self.levels(behind: node, index, graph) {
        zeros[node.inputs[0]] = ZeroCodes(levels: levels)
      }
    }
    var seen: Set<ValueID> = []
    for node in graph.nodes {
      for input in node.inputs where seen.insert(input).inserted && !helpers.contains(input) {
        guard let constant = graph.constant(input) else { continue }
        parameters += constant.elementCount
        nonzeros += constant.elementCount - (zeros[input] ?? ZeroCodes()).count(in: constant)
      }
    }
  }

  /// The numbers of a codebook whose codes `cast` makes places of.
  private static func levels(behind cast: Node, _ index: GraphIndex, _ graph: Graph) -> [Float]? {
    guard let use = index.onlyUse(of: cast.outputs[0]), use.position == 1 else { return nil }
    let gather = graph.nodes[use.node]
    guard gather.op == "Gather", let levels = graph.constant(gather.inputs[0]), levels.type == .float32,
      levels.shape.rank == 1
    else { return nil }
    return levels.array(of: Float.self)
  }

  /// Where a quantization operator reads codes with their zero point, and what is no parameter.
  private static func quantizationInputs(
    of op: OperatorName
  ) -> (codes: (codes: Int, zeroPoint: Int)?, helpers: [Int]) {
    switch op {
    case "DequantizeLinear": ((0, 2), [1, 2])
    case "QuantizeLinear": (nil, [1, 2])
    case "MatMulInteger", "ConvInteger": ((1, 3), [2, 3])
    case "QLinearConv", "QLinearMatMul": ((3, 5), [1, 2, 4, 5, 6, 7])
    case "com.microsoft.QGemm": ((3, 5), [1, 2, 4, 5, 7, 8])
    default: (nil, [])
    }
  }
}
