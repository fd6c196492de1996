import GraphIR

/// Whether rows of several requests may be run together.
public enum Batching: Sendable, Equatable {
  /// All inputs and outputs have the batch along axis 0, and every row of the outputs depends on the same row of the
  /// inputs only.
  case rows
  /// They may not, or it is not clear that they may.
  case none(reason: String)

  public var isAllowed: Bool { self == .rows }

  init(_ graph: Graph) {
    if let reason = RowAnalysis.reasonAgainstBatching(graph, additional: Self.fusedRules) {
      self = .none(reason: reason)
    } else {
      self = .rows
    }
  }

  /// Lets quantized products take a scale for each request when they are what keeps rows from being independent.
  static func separateQuantization(_ graph: inout Graph) {
    if !graph.nodes.contains(where: mixesRows) { return }
    var separate = graph
    for index in separate.nodes.indices where mixesRows(separate.nodes[index]) {
      separate.nodes[index].attributes[FusedOperator.perRequest] = .int(1)
    }
    if Batching(separate).isAllowed { graph = separate }
  }

  /// Whether one scale for all rows is what `node` would take.
  private static func mixesRows(_ node: Node) -> Bool {
    node.op == FusedOperator.dynamicMatMul && node.attributes.float(FusedOperator.rowFactor) == nil
  }

  private static let fusedRules: [OperatorName: RowRule] = [
    FusedOperator.matMul: { try RowRules.matMul(&$0, 0, 1) },
    FusedOperator.gemm: { try RowRules.gemm(&$0) },
    FusedOperator.conv: { try RowRules.leading(&$0, rows: [0]) },
    FusedOperator.scaleShift: { try RowRules.leading(&$0, rows: [0]) },
    FusedOperator.attention: { try RowRules.attention(&$0) },
    FusedOperator.addLayerNormalization: { context in
      if try context.node.int("axis", default: -1) == 0 { throw RowMixing("it works along the batch") }
      try RowRules.leading(&context, rows: [0, 1])
    },
    FusedOperator.quantizedMatMul: { try RowRules.matMul(&$0, 0, 3) },
    FusedOperator.quantizedConv: { try RowRules.leading(&$0, rows: [0]) },
    FusedOperator.quantizedAdd: { try RowRules.leading(&$0, rows: [0, 3]) },
    FusedOperator.lookup: { try RowRules.leading(&$0, rows: [0]) },
    FusedOperator.blockMatMul: { try RowRules.packedProduct(&$0) },
    FusedOperator.dynamicMatMul: { context in
      if !mixesRows(context.node) { return try RowRules.matMul(&context, 0, 1) }
      if context.node.attributes.int(FusedOperator.perRequest) ?? 0 == 0 {
        throw RowMixing("it takes one scale for the whole batch")
      }
      try RowRules.leadingMatMul(&context)
    },
  ]
}
