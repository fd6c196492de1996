import Tensors

/// RNN, GRU and LSTM.
enum RecurrentRules {
  private static let attributes = [
    "activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "layout",
  ]

  static let all: [OperatorRule] = [
    OperatorRule("RNN", inputs: 3...6, outputs: 0...2, attributes: attributes) { context throws(GraphError) in
      try infer(&context, gates: 1)
    },
    OperatorRule(
      "GRU", inputs: 3...6, outputs: 0...2, attributes: attributes + ["linear_before_reset"]
    ) { context throws(GraphError) in
      try infer(&context, gates: 3)
    },
    OperatorRule("LSTM", inputs: 3...8, outputs: 0...3, attributes: attributes + ["input_forget"]) {
      context throws(GraphError) in
      try infer(&context, gates: 4)
    },
  ]

  private static func infer(_ context: inout InferenceContext, gates: Int) throws(GraphError) {
    let attributes = try RecurrentAttributes(context.node)
    try context.expect(0, .float)
    let element = try context.commonElement([0, 1, 2, 3, 5, 6, 7])
    try context.expect(4, .int32)
    for (input, rank) in [(0, 3), (1, 3), (2, 3), (3, 2), (4, 1), (5, 3), (6, 3), (7, 2)] {
      try context.expectRank(input, rank...rank)
    }
    let directions = Dimension.known(attributes.direction.count)
    let x = context.dimensions(0) ?? [.unknown, .unknown, .unknown]
    let (steps, batch) = attributes.isBatchFirst ? (x[1], x[0]) : (x[0], x[1])
    var hidden = context.dimensions(2)?[2] ?? .unknown
    if let size = attributes.hiddenSize { hidden = try context.merged(.known(size), hidden, "hidden sizes") }
    func multiple(_ factor: Int) throws(GraphError) -> Dimension {
      guard let size = hidden.extent else { return .unknown }
      return .known(try context.multiply(size, factor))
    }
    let state = attributes.isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden]
    let expected: [(Int, [Dimension])] = [
      (1, [directions, try multiple(gates), x[2]]), (2, [directions, try multiple(gates), hidden]),
      (3, [directions, try multiple(2 * gates)]), (4, [batch]), (5, state), (6, state),
      (7, [directions, try multiple(3)]),
    ]
    for (input, wanted) in expected {
      guard let own = context.dimensions(input) else { continue }
      for (axis, extent) in own.enumerated() {
        _ = try context.merged(extent, wanted[axis], "extents of input \(input) on axis \(axis)")
      }
    }
    guard let element else { return }
    context.setOutput(
      0, element,
      attributes.isBatchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden])
    context.setOutput(1, element, state)
    context.setOutput(2, element, state)
  }
}

/// What RNN, GRU and LSTM share.
public struct RecurrentAttributes: Sendable {
  public enum Direction: String, CaseIterable, Sendable {
    case forward, reverse, bidirectional
    public var count: Int { self == .bidirectional ? 2 : 1 }
  }

  public let direction: Direction
  /// The batch is axis 0 of all inputs and outputs; else the steps, or the directions, are.
  public let isBatchFirst: Bool
  public let hiddenSize: Int?
  /// What goes into an activation is limited to -clip ... clip.
  public let clip: Float?

  public init(_ node: Node) throws(GraphError) {
    direction = try node.choice("direction", default: .forward)
    let layout = try node.int("layout", default: 0)
    if layout != 0 && layout != 1 { throw node.error("attribute 'layout' is \(layout), not 0 or 1") }
    isBatchFirst = layout == 1
    hiddenSize = try node.optionalInt("hidden_size")
    if let size = hiddenSize, size <= 0 { throw node.error("attribute 'hidden_size' is \(size)") }
    let limit = try node.optionalFloat("clip")
    if let limit, !(limit >= 0) { throw node.error("attribute 'clip' is \(limit)") }
    // Exporters write 0 for no clipping.
    clip = limit == 0 ? nil : limit
  }
}
