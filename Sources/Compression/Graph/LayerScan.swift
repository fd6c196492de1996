import GraphIR
import Tensors

/// The layers of a graph in node order: those that methods work on, and those that hold weights and are left
/// alone, each with the reason.
struct LayerScan {
  private(set) var layers: [WeightLayer] = []
  private(set) var untouched: [UntouchedLayer] = []

  init(_ model: Model) {
    let graph = model.graph
    let index = GraphIndex(graph)
    for position in graph.nodes.indices { inspect(position, graph, index) }
    for function in model.functions {
      list(function.body, "inside the local function \(function.op), which is not compressed by this version")
    }
  }

  private mutating func inspect(_ position: Int, _ graph: Graph, _ index: GraphIndex) {
    let node = graph.nodes[position]
    for subgraph in node.subgraphs {
      list(subgraph, "inside a sub-graph of \(node.op), which is not compressed by this version")
    }
    guard node.op.domain.isEmpty else {
      noteWeights(node, graph, "operator \(node.op) is not compressed by this version")
      return
    }
    switch node.op.type {
    case "MatMul", "Gemm", "Conv", "ConvTranspose": inspectProduct(position, graph, index)
    case "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv":
      noteWeights(node, graph, "is quantized already")
    default: noteWeights(node, graph, "operator \(node.op) is not compressed by this version")
    }
  }

  private mutating func inspectProduct(_ position: Int, _ graph: Graph, _ index: GraphIndex) {
    let node = graph.nodes[position]
    let name = node.label(in: graph)
    func leave(_ shape: Shape, _ reason: String) -> UntouchedLayer {
      UntouchedLayer(name: name, op: node.op, shape: shape, reason: reason)
    }
    guard node.inputs.count >= 2, node.outputs.count == 1 else { return }
    guard let weights = graph.constant(node.inputs[1]) else {
      untouched.append(leave([], Self.reasonWithoutWeight(node, graph, index)))
      return
    }
    guard graph.constant(node.inputs[0]) == nil else {
      untouched.append(leave(weights.shape, "both operands are constant"))
      return
    }
    guard weights.type == .float32 else {
      untouched.append(leave(weights.shape, "weights are \(weights.type.name); only float32 is compressed"))
      return
    }
    guard let kind = Self.kind(of: node, weights.shape) else {
      untouched.append(leave(weights.shape, "weight of rank \(weights.shape.rank) or transposed input"))
      return
    }
    let alpha = node.op == "Gemm" ? node.attributes.float("alpha") ?? 1 : 1
    guard alpha.isNormal else {
      untouched.append(leave(weights.shape, "Gemm with alpha \(alpha)"))
      return
    }
    let isFinite = weights.withElements(Float.self) { $0.allSatisfy(\.isFinite) }
    guard isFinite, weights.elementCount > 0 else {
      untouched.append(leave(weights.shape, isFinite ? "weight is empty" : "weight holds infinities or NaN"))
      return
    }
    layers.append(
      WeightLayer(
        node: position, name: name, op: node.op, kind: kind, activation: node.inputs[0],
        weight: node.inputs[1], bias: node.inputs.count > 2 && !node.inputs[2].isNone ? node.inputs[2] : nil,
        output: node.outputs[0], weights: weights, alpha: alpha))
  }

  private static func kind(of node: Node, _ shape: Shape) -> WeightLayer.Kind? {
    switch node.op.type {
    case "MatMul": return shape.rank >= 2 ? .matMul : nil
    case "Gemm":
      if node.attributes.int("transA") ?? 0 != 0 || shape.rank != 2 { return nil }
      return .gemm(isTransposed: node.attributes.int("transB") ?? 0 != 0)
    case "Conv": return shape.rank >= 3 ? .conv(groups: node.attributes.int("group") ?? 1) : nil
    default: return shape.rank >= 3 ? .convTranspose(groups: node.attributes.int("group") ?? 1) : nil
    }
  }

  private static func reasonWithoutWeight(_ node: Node, _ graph: Graph, _ index: GraphIndex) -> String {
    if let producer = index.producers[node.inputs[1]], graph.nodes[producer].op == "DequantizeLinear" {
      return "is quantized already"
    }
    if graph.inputs.contains(node.inputs[1]) {
      return "the weight is a graph input, which callers may replace"
    }
    return "both operands are computed at run time"
  }

  /// Lists a node of another operator when it holds what looks like a weight: a float constant of rank 2 or more.
  private mutating func noteWeights(_ node: Node, _ graph: Graph, _ reason: String) {
    for input in node.inputs {
      guard let constant = graph.constant(input), constant.shape.rank >= 2, constant.elementCount >= 64
      else { continue }
      let isWeight = constant.type.isFloatingPoint || reason == "is quantized already"
      if !isWeight { continue }
      untouched.append(
        UntouchedLayer(name: node.label(in: graph), op: node.op, shape: constant.shape, reason: reason))
      return
    }
  }

  /// Lists all products with constant weights inside a nested graph.
  private mutating func list(_ graph: Graph, _ reason: String) {
    for node in graph.nodes {
      noteWeights(node, graph, reason)
      for subgraph in node.subgraphs { list(subgraph, reason) }
    }
  }
}
