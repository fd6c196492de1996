import GraphIR
import Tensors

/// Chooses in which order the axes of each value lie: convolutions want the channels of a pixel next to each other,
/// and what stands between them follows. Inputs and outputs of the graph stay as they are.
///
/// One walk in the order of the nodes. A value is moved only where a reader asks for an order in which it is not at
/// hand, so that transpositions that undo each other, those of the model included, are never made.
struct LayoutPass {
  private var forms: LayoutForms
  private let shuffles: [Int: ChannelShuffle]
  /// The last nodes of shuffles that have been moved.
  private var movedShuffles: Set<ValueID> = []
  private var changes = 0

  /// - Returns: how many nodes were moved.
  @discardableResult
  static func apply(to graph: inout Graph, folder: ConstantFolder) throws -> Int {
    guard graph.nodes.contains(where: { LayoutRules.wantChannelsLast.contains($0.op) }) else { return 0 }
    var pass = LayoutPass(forms: LayoutForms(graph, folder: folder))
    for index in graph.nodes.indices { try pass.visit(index) }
    for output in graph.outputs { try pass.forms.restore(output, before: graph.nodes.count) }
    if pass.changes == 0 { return 0 }
    try pass.forms.patch.apply(to: &graph)
    return pass.changes
  }

  private init(forms: LayoutForms) {
    self.forms = forms
    shuffles = ChannelShuffle.all(in: forms)
  }

  private var view: FusionView { forms.view }

  private mutating func visit(_ index: Int) throws {
    let node = view.graph.nodes[index]
    if try moveShuffle(index) { return }
    if node.op == "Transpose", let permutation = permutation(node) {
      forms.define(node.outputs[0], asTranspositionOf: node.inputs[0], by: permutation)
      forms.remove(index)
      return
    }
    guard let rule = LayoutRules.all[node.op], let order = order(for: node),
      var moved = try rule.move(LayoutRequest(node: node, order: order, view: view)),
      try pays(index, node, moved, order)
    else {
      try keep(index, node)
      return
    }
    try move(index, node, &moved, order)
  }

  /// Moves a channel shuffle at its first node; the other two go.
  private mutating func moveShuffle(_ index: Int) throws -> Bool {
    guard let shuffle = shuffles[index] else { return false }
    if index == shuffle.nodes[0] {
      guard forms.lives(shuffle.input, in: .channelsLast(4)) else { return false }
      movedShuffles.insert(shuffle.output)
      try shuffle.move(&forms, before: index)
    }
    guard movedShuffles.contains(shuffle.output) else { return false }
    forms.remove(index)
    return true
  }

  private func permutation(_ node: Node) -> [Int]? {
    guard let rank = forms.rank(node.inputs[0]) else { return nil }
    let permutation = node.attributes.ints("perm") ?? Array((0..<rank).reversed())
    return permutation.sorted() == Array(0..<rank) ? permutation : nil
  }

  /// The order that `node` would work in: its own wish, or that of an input.
  private func order(for node: Node) -> AxisOrder? {
    if LayoutRules.wantChannelsLast.contains(node.op) {
      return forms.rank(node.inputs[0]).map { .channelsLast($0) }
    }
    for id in node.inputs where !id.isNone {
      guard let rank = forms.rank(id), rank > 2 else { continue }
      if forms.lives(id, in: .channelsLast(rank)) { return .channelsLast(rank) }
    }
    return nil
  }

  /// Whether moving `node` saves more than it costs.
  private func pays(_ index: Int, _ node: Node, _ moved: MovedNode, _ order: AxisOrder) throws -> Bool {
    let operands = moved.moved.map { node.inputs[$0] }.filter { view.constant($0) == nil }
    let ready = operands.filter { forms.has($0, in: order) }
    if LayoutRules.wantChannelsLast.contains(node.op) {
      return !ready.isEmpty || isDense(node) || leadsToWindow(node.outputs[0], depth: 6)
    }
    return size(ready) >= size(operands.filter { !forms.has($0, in: order) })
  }

  private func size(_ ids: [ValueID]) -> Int {
    ids.reduce(0) { sum, id in
      sum + (view.type(id)?.dimensions ?? []).reduce(1) { $0 &* ($1.extent ?? 1) }
    }
  }

  /// The filters of a convolution.
  private func weight(_ node: Node) -> Tensor? {
    view.constant(node.inputs[node.op == FusedOperator.quantizedConv ? 3 : 1])
  }

  /// A convolution whose windows overlap and mix channels, or make many of one, is faster on pixels even alone.
  private func isDense(_ node: Node) -> Bool {
    guard let weight = weight(node) else { return false }
    let isDepthwise = weight.shape[1] == 1 && node.attributes.int("group") ?? 1 > 1
    return !isDepthwise && weight.shape.product(2..<weight.shape.rank) > 1
  }

  /// Whether what follows is another operator on images, so that both share the layout.
  private func leadsToWindow(_ id: ValueID, depth: Int) -> Bool {
    if depth == 0 { return false }
    return forms.readers(of: id).contains { reader in
      if let shuffle = shuffles[reader] { return leadsToWindow(shuffle.output, depth: depth - 1) }
      let node = view.graph.nodes[reader]
      switch LayoutRules.all[node.op] {
      case .channelsLast?: return true
      case nil: return false
      default: return node.outputs.contains { leadsToWindow($0, depth: depth - 1) }
      }
    }
  }

  /// Leaves a node as it is; it reads all tensors in their own order.
  private mutating func keep(_ index: Int, _ node: Node) throws {
    var kept = node
    for body in node.bodies {
      // Sub-graphs know the values that they read by name.
      for capture in body.captures { try forms.restore(capture.outer, before: index) }
    }
    for input in kept.inputs.indices where !kept.inputs[input].isNone {
      kept.inputs[input] = try forms.natural(node.inputs[input], before: index)
    }
    if kept.inputs != node.inputs { forms.replace(index, with: kept) }
  }

  private mutating func move(_ index: Int, _ node: Node, _ moved: inout MovedNode, _ order: AxisOrder) throws
  {
    var result = node
    result.op = moved.op
    if readsChannelsFirst(node, moved, order) {
      moved.moved = []
      moved.attributes[FusedOperator.channelsFirst] = .int(1)
    }
    result.attributes = moved.attributes
    for input in node.inputs.indices where !node.inputs[input].isNone {
      if let constant = moved.constants[input] {
        let axes = moved.moved.contains(input) ? try forms.reordered(constant, order) : constant
        result.inputs[input] = forms.addConstant(view.graph[node.inputs[input]].name + "_nhwc", axes)
      } else if moved.moved.contains(input) {
        result.inputs[input] = try forms.get(node.inputs[input], in: order, before: index)
      } else {
        result.inputs[input] = try forms.natural(node.inputs[input], before: index)
      }
    }
    for (input, constant) in moved.constants where input >= result.inputs.count || result.inputs[input].isNone
    {
      while result.inputs.count <= input { result.inputs.append(.none) }
      result.inputs[input] = forms.addConstant("\(view.graph[node.outputs[0]].name)_axes", constant)
    }
    if moved.movesOutputs {
      result.outputs = node.outputs.map { $0.isNone ? $0 : forms.define($0, in: order) }
    }
    forms.replace(index, with: result)
    changes += 1
  }

  /// Convolutions of few channels, such as the first layer's, copy their rows anyway.
  private func readsChannelsFirst(_ node: Node, _ moved: MovedNode, _ order: AxisOrder) -> Bool {
    guard moved.op == FusedOperator.convNHWC || moved.op == FusedOperator.quantizedConvNHWC,
      !forms.has(node.inputs[0], in: order),
      forms.has(node.inputs[0], in: .natural(order.rank)), node.attributes.int("group") ?? 1 == 1,
      let weight = weight(node)
    else { return false }
    return weight.shape[1] <= 4
  }
}
