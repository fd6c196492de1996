import GraphIR
import Tensors

extension Fusion {
  /// softmax(q kᵀ scale + mask) v, as exporters spell it: one node. Where q, k and v are split into heads by Reshape and
  /// Transpose and the result is joined again, the node reads and writes `[batch, sequence, heads * size]`.
  static func joinAttention(_ graph: inout Graph) throws -> Int {
    if !graph.nodes.contains(where: { $0.op == "Softmax" }) { return 0 }
    let view = try FusionView.comparingShapes(graph)
    var patch = GraphPatch("join attention", for: graph)
    let readers = soleReaders(graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "MatMul" {
      guard let match = AttentionMatch(index, node, readers, view) else { continue }
      match.record(in: &patch)
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }

  /// For each value a node that reads it.
  private static func soleReaders(_ graph: Graph) -> [ValueID: Int] {
    var readers: [ValueID: Int] = [:]
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs where !input.isNone { readers[input] = index }
    }
    return readers
  }
}

/// An attention found in a graph: the product of probabilities and values, and what it hangs on.
private struct AttentionMatch {
  /// Queries, keys or values, as `[batch, heads, length, size]` or before they were split into heads.
  struct Operand {
    var id: ValueID
    /// Of rank 3 only.
    var whole: ValueID?
    var heads: Dimension
    /// The nodes that split it.
    var nodes: [Int] = []
  }

  private let name: String
  private var operands: [Operand]
  private let mask: ValueID
  private let scale: Float
  /// Nodes that the new one stands for; it takes the last one's place.
  private var nodes: [Int]
  private let last: Int
  private let output: ValueID
  private let isWhole: Bool

  func record(in patch: inout GraphPatch) {
    let inputs = operands.map { isWhole ? $0.whole! : $0.id } + (mask.isNone ? [] : [mask])
    var attributes: Attributes = ["scale": .float(scale)]
    if isWhole, let heads = operands[0].heads.extent, let shared = operands[1].heads.extent {
      attributes["q_num_heads"] = .int(heads)
      attributes["kv_num_heads"] = .int(shared)
    }
    patch.replace(
      last,
      with: Node(
        name: name, op: FusedOperator.attention, inputs: inputs, outputs: [output], attributes: attributes))
    for node in nodes where node != last { patch.remove(node) }
  }

  /// - Parameter readers: for each value a node that reads it.
  init?(_ index: Int, _ node: Node, _ readers: [ValueID: Int], _ view: FusionView) {
    guard view.element(node.outputs[0]) == .float32, let softmax = view.soleWriter(node.inputs[0], "Softmax"),
      let rank = view.type(node.inputs[0])?.dimensions?.count, rank == 4,
      [-1, 3].contains(softmax.node.attributes.int("axis") ?? -1),
      let scores = Scores(softmax.node.inputs[0], view),
      let q = Self.operand(scores.q, view), let k = scores.key(view),
      let v = Self.operand(node.inputs[1], view),
      Self.fit(q, k, v, view)
    else { return nil }
    name = softmax.node.name
    mask = scores.mask
    scale = scores.scale
    nodes = [index, softmax.index] + scores.nodes
    let operands = [q, k, v]
    if operands.allSatisfy({ $0.whole != nil }),
      let joined = Self.joined(node.outputs[0], q, v, readers, view)
    {
      nodes += operands.flatMap(\.nodes) + [joined.transpose]
      last = joined.reshape
      output = view.graph.nodes[joined.reshape].outputs[0]
      isWhole = true
    } else {
      // Keys that were split and turned in one go are only there turned.
      guard !k.id.isNone else { return nil }
      last = index
      output = node.outputs[0]
      isWhole = false
    }
    self.operands = operands
  }

  /// Whether q, k and v have the same batch and heads in every run, so that nothing broadcasts.
  private static func fit(_ q: Operand, _ k: Operand, _ v: Operand, _ view: FusionView) -> Bool {
    guard let shapes = [q, k, v].map({ batch($0, view) }) as? [Dimension] else { return false }
    return q.heads == k.heads && k.heads == v.heads && q.heads != .unknown && shapes[0] != .unknown
      && shapes[0] == shapes[1] && shapes[1] == shapes[2]
  }

  private static func batch(_ operand: Operand, _ view: FusionView) -> Dimension? {
    view.type(operand.whole ?? operand.id)?.dimensions?.first
  }

  /// `id` of shape `[batch, heads, length, size]`, and what it was split from.
  static func operand(_ id: ValueID, _ view: FusionView) -> Operand? {
    guard let dimensions = view.type(id)?.dimensions, dimensions.count == 4 else { return nil }
    var operand = Operand(id: id, heads: dimensions[1])
    if let transpose = view.soleWriter(id, "Transpose"), transpose.node.permutation == [0, 2, 1, 3],
      let split = split(transpose.node.inputs[0], view)
    {
      operand.whole = split.whole
      operand.nodes = [transpose.index, split.reshape]
    }
    return operand
  }

  /// The value of shape `[batch, length, heads * size]` that `id` of shape `[batch, length, heads, size]` is.
  static func split(_ id: ValueID, _ view: FusionView) -> (whole: ValueID, reshape: Int)? {
    guard let reshape = view.soleWriter(id, "Reshape"),
      isSplit(whole: reshape.node.inputs[0], parts: id, reshape.node, view)
    else { return nil }
    return (reshape.node.inputs[0], reshape.index)
  }

  /// Whether `parts` is `whole` with its last axis cut in two, or the other way round; `reshape` made one of the other.
  private static func isSplit(whole: ValueID, parts: ValueID, _ reshape: Node, _ view: FusionView) -> Bool {
    guard let three = view.type(whole)?.dimensions, three.count == 3,
      let four = view.type(parts)?.dimensions, four.count == 4,
      let heads = four[2].extent, let size = four[3].extent, let width = three[2].extent,
      heads * size == width, width > 0
    else { return false }
    // The last axes hold equally many elements, so one more axis that stays lets the other stay too.
    if (0...1).contains(where: { three[$0] == four[$0] && three[$0] != .unknown }) { return true }
    guard reshape.attributes.int("allowzero") ?? 0 == 0, let shape = view.constant(reshape.inputs[1]),
      shape.type == .int64
    else { return false }
    return shape.array(of: Int.self).prefix(2).contains(0)
  }

  /// The Transpose and Reshape after the product that put the heads side by side again.
  private static func joined(
    _ id: ValueID, _ q: Operand, _ v: Operand, _ readers: [ValueID: Int], _ view: FusionView
  ) -> (transpose: Int, reshape: Int)? {
    guard view.isRead(id, times: 1), let transpose = readers[id] else { return nil }
    let turn = view.graph.nodes[transpose]
    guard turn.op == "Transpose", turn.permutation == [0, 2, 1, 3], view.isRead(turn.outputs[0], times: 1),
      let reshape = readers[turn.outputs[0]]
    else { return nil }
    let join = view.graph.nodes[reshape]
    guard join.op == "Reshape", join.inputs[0] == turn.outputs[0],
      isSplit(whole: join.outputs[0], parts: turn.outputs[0], join, view)
    else { return nil }
    return (transpose, reshape)
  }

  /// The way from the input of a Softmax up to the product of queries and keys.
  private struct Scores {
    let q: ValueID
    var mask = ValueID.none
    var scale: Float = 1
    var nodes: [Int] = []
    private let turnedKeys: ValueID

    init?(_ id: ValueID, _ view: FusionView) {
      var id = id
      if let sum = view.soleWriter(id, "Add") {
        guard let side = (0...1).first(where: { Self.isProduct(sum.node.inputs[$0], view) }) else {
          return nil
        }
        mask = sum.node.inputs[1 - side]
        guard view.element(mask) == .float32, let rank = view.type(mask)?.dimensions?.count, rank <= 4 else {
          return nil
        }
        nodes.append(sum.index)
        id = sum.node.inputs[side]
      }
      id = Self.unscaled(id, &scale, &nodes, view)
      guard let product = view.soleWriter(id, "MatMul"),
        view.type(product.node.outputs[0])?.dimensions?.count == 4
      else { return nil }
      nodes.append(product.index)
      guard Self.fits(mask, scores: product.node.outputs[0], view) else { return nil }
      q = Self.unscaled(product.node.inputs[0], &scale, &nodes, view)
      turnedKeys = Self.unscaled(product.node.inputs[1], &scale, &nodes, view)
    }

    /// Whether no mask can widen the scores: more batches, heads or queries than they have would. More keys would not
    /// fit the values; the operator refuses them.
    private static func fits(_ mask: ValueID, scores: ValueID, _ view: FusionView) -> Bool {
      if mask.isNone { return true }
      guard let own = view.type(mask)?.dimensions, let wanted = view.type(scores)?.dimensions else {
        return false
      }
      return zip(own.dropLast().reversed(), wanted.dropLast().reversed()).allSatisfy {
        $0 == .known(1) || $0 == $1 && $0 != .unknown
      }
    }

    /// Whether `id` is a product of activations, maybe scaled.
    private static func isProduct(_ id: ValueID, _ view: FusionView) -> Bool {
      var (scale, nodes): (Float, [Int]) = (1, [])
      return view.soleWriter(unscaled(id, &scale, &nodes, view), "MatMul") != nil
    }

    /// What a Mul or Div by a constant scales; `id` itself when there is none.
    private static func unscaled(
      _ id: ValueID, _ scale: inout Float, _ nodes: inout [Int], _ view: FusionView
    ) -> ValueID {
      guard let (index, node) = view.soleWriter(id, "Mul", "Div") else { return id }
      if node.op == "Div" {
        guard let factor = view.scalar(node.inputs[1]), factor != 0 else { return id }
        scale /= factor
        nodes.append(index)
        return node.inputs[0]
      }
      guard let (factor, other) = Fusion.constantOperand(node, view) else { return id }
      scale *= factor
      nodes.append(index)
      return other
    }

    /// The keys before they were turned; `id` is none when they were split and turned at once.
    func key(_ view: FusionView) -> Operand? {
      guard let (index, transpose) = view.soleWriter(turnedKeys, "Transpose"),
        let dimensions = view.type(turnedKeys)?.dimensions, dimensions.count == 4
      else { return nil }
      let source = transpose.inputs[0]
      switch transpose.permutation {
      case [0, 1, 3, 2]:
        guard var operand = AttentionMatch.operand(source, view) else { return nil }
        operand.nodes.append(index)
        return view.isRead(source, times: 1) ? operand : nil
      case [0, 2, 3, 1]:
        guard let split = AttentionMatch.split(source, view) else { return nil }
        return Operand(
          id: .none, whole: split.whole, heads: dimensions[1], nodes: [index, split.reshape])
      default: return nil
      }
    }
  }
}

extension Node {
  /// Of a Transpose; nil when it is left to reverse all axes.
  fileprivate var permutation: [Int]? { attributes.ints("perm") }
}
