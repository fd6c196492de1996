import GraphIR
import Tensors

/// The layers of a model: those that methods work on, and those that hold weights and are left alone, each with the
/// reason.
struct LayerScan {
  /// Products with a constant weight in the main graph, in node order.
  private(set) var layers: [WeightLayer] = []
  /// Layers whose weights can be stored in fewer bits and nothing else: tables, recurrent weights, and all layers inside
  /// the bodies of If, Loop and Scan.
  private(set) var storedOnly: [WeightLayer] = []
  private(set) var untouched: [UntouchedLayer] = []

  /// Elements from which on a table pays for the nodes that read it.
  private static let leastTable = 1024

  init(_ model: Model) {
    inspect(model.graph, GraphPath(), nesting: "")
    for function in model.functions {
      list(function.body, "inside the local function \(function.op), which is not compressed by this version")
    }
  }

  /// Every layer of a list, those of the main graph's products first.
  var all: [WeightLayer] { layers + storedOnly }

  private mutating func inspect(_ graph: Graph, _ path: GraphPath, nesting: String) {
    let view = GraphView(graph: graph, index: GraphIndex(graph), path: path, nesting: nesting)
    for position in graph.nodes.indices {
      let node = graph.nodes[position]
      inspect(position, view)
      for entry in node.attributes.entries {
        for (number, body) in node.graphs(of: entry.name).enumerated() {
          let step = GraphPath.Step(node: position, attribute: entry.name, index: number)
          inspect(
            body, path.appending(step),
            nesting: "\(nesting)\(node.firstOutputName(in: graph)).\(entry.name).\(number)/")
        }
      }
    }
  }

  private mutating func inspect(_ position: Int, _ view: GraphView) {
    let node = view.graph.nodes[position]
    guard node.op.domain.isEmpty else {
      noteWeights(node, view.graph, "operator \(node.op) is not compressed by this version")
      return
    }
    switch node.op.type {
    case "MatMul", "Gemm", "Conv", "ConvTranspose": inspectProduct(position, view)
    case "Gather", "Slice": inspectTable(position, view)
    case "LSTM", "GRU", "RNN": inspectRecurrent(position, view)
    case "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv":
      noteWeights(node, view.graph, "is quantized already")
    default: noteWeights(node, view.graph, "operator \(node.op) is not compressed by this version")
    }
  }

  private mutating func inspectProduct(_ position: Int, _ view: GraphView) {
    let node = view.graph.nodes[position]
    guard node.inputs.count >= 2, node.outputs.count == 1 else { return }
    guard let weights = view.graph.constant(node.inputs[1]) else {
      leave(node, view, [], Self.reasonWithoutWeight(node, view))
      return
    }
    guard view.graph.constant(node.inputs[0]) == nil else {
      leave(node, view, weights.shape, "both operands are constant")
      return
    }
    guard isUsable(weights, node, view) else { return }
    guard let kind = Self.kind(of: node, weights.shape) else {
      leave(node, view, weights.shape, "weight of rank \(weights.shape.rank) or transposed input")
      return
    }
    let alpha = node.op == "Gemm" ? node.attributes.float("alpha") ?? 1 : 1
    guard alpha.isNormal else {
      leave(node, view, weights.shape, "Gemm with alpha \(alpha)")
      return
    }
    var layer = view.layer(position, kind, weight: 1, weights)
    layer.bias = node.inputs.count > 2 && !node.inputs[2].isNone ? node.inputs[2] : nil
    layer.alpha = alpha
    if view.path.steps.isEmpty { layers.append(layer) } else { storedOnly.append(layer) }
  }

  private mutating func inspectTable(_ position: Int, _ view: GraphView) {
    let node = view.graph.nodes[position]
    guard node.inputs.count >= 2, let weights = view.graph.constant(node.inputs[0]), weights.shape.rank >= 2,
      weights.type.isFloatingPoint, weights.elementCount >= 64
    else { return }
    if weights.elementCount < Self.leastTable {
      leave(node, view, weights.shape, "a table too small to pay for the nodes that read its codes")
      return
    }
    guard Self.readsRows(node, view.graph, rank: weights.shape.rank) else {
      leave(node, view, weights.shape, "a table that is not read by whole rows")
      return
    }
    guard isUsable(weights, node, view) else { return }
    var layer = view.layer(position, .table, weight: 0, weights)
    layer.activation = node.inputs[1]
    storedOnly.append(layer)
  }

  /// True for a Gather or a Slice that takes whole rows of a table.
  private static func readsRows(_ node: Node, _ graph: Graph, rank: Int) -> Bool {
    if node.op == "Gather" { return [0, -rank].contains(node.attributes.int("axis") ?? 0) }
    guard node.inputs.count > 3, let axes = graph.constant(node.inputs[3])?.integers else { return false }
    return axes == [0] || axes == [-rank]
  }

  private mutating func inspectRecurrent(_ position: Int, _ view: GraphView) {
    let node = view.graph.nodes[position]
    for (input, kind) in [(1, WeightLayer.Recurrent.input), (2, .recurrence)] where input < node.inputs.count
    {
      guard let weights = view.graph.constant(node.inputs[input]) else {
        leave(node, view, [], Self.reasonWithoutWeight(node, view, input))
        continue
      }
      guard weights.shape.rank == 3, isUsable(weights, node, view) else { continue }
      storedOnly.append(view.layer(position, .recurrent(kind), weight: input, weights))
    }
  }

  /// False, with a note, for weights that no method can work on.
  private mutating func isUsable(_ weights: Tensor, _ node: Node, _ view: GraphView) -> Bool {
    guard weights.type == .float32 else {
      leave(node, view, weights.shape, "weights are \(weights.type.name); only float32 is compressed")
      return false
    }
    let isFinite = weights.withElements(Float.self) { $0.allSatisfy(\.isFinite) }
    if isFinite && weights.elementCount > 0 { return true }
    leave(node, view, weights.shape, isFinite ? "weight is empty" : "weight holds infinities or NaN")
    return false
  }

  private mutating func leave(_ node: Node, _ view: GraphView, _ shape: Shape, _ reason: String) {
    untouched.append(
      UntouchedLayer(name: node.label(in: view.graph), op: node.op, shape: shape, reason: reason))
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

  private static func reasonWithoutWeight(_ node: Node, _ view: GraphView, _ input: Int = 1) -> String {
    let weight = node.inputs[input]
    if let producer = view.index.producers[weight], view.graph.nodes[producer].op == "DequantizeLinear" {
      return "is quantized already"
    }
    if view.graph.inputs.contains(weight) {
      return "the weight is a graph input, which callers may replace"
    }
    if view.graph.captures.contains(where: { $0.inner == weight }) {
      return "the weight belongs to the graph around this one"
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
      for subgraph in node.bodies { list(subgraph, reason) }
    }
  }
}

/// One graph of a model, and where it lies.
private struct GraphView {
  let graph: Graph
  let index: GraphIndex
  let path: GraphPath
  /// `path` by names of values.
  let nesting: String

  func layer(_ position: Int, _ kind: WeightLayer.Kind, weight: Int, _ weights: Tensor) -> WeightLayer {
    let node = graph.nodes[position]
    return WeightLayer(
      path: path, nesting: nesting, input: weight, node: position, name: node.label(in: graph), op: node.op,
      kind: kind, activation: node.inputs[0], weight: node.inputs[weight],
      output: node.outputs.first { !$0.isNone } ?? .none, weights: weights)
  }
}

extension Node {
  fileprivate func firstOutputName(in graph: Graph) -> String {
    outputs.first { !$0.isNone }.map { graph[$0].name } ?? name
  }
}
