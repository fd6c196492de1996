import GraphIR
import Tensors

/// Finds out whether the rows of a batch are computed independently of each other, so that requests may be
/// put into one batch.
///
/// The argument: the batch axis is a symbol that all inputs lead with. Shape inference carries it along, and
/// loses or moves it wherever rows are mixed or reordered. So if every value that depends on an input has
/// the symbol as its leading axis and nowhere else, and no operator works along axis 0, rows are independent.
/// Whatever is not clear counts as dependent.
enum RowIndependence {
  static func holds(in graph: Graph) -> Bool {
    guard let batch = batchSymbol(of: graph) else { return false }
    var dependent = Set(graph.inputs)
    for node in graph.nodes {
      guard node.inputs.contains(where: dependent.contains) else { continue }
      // Sizes are the same for every row; what is made of them is judged where it meets data.
      if node.op == "Shape" || node.op == "Size" { continue }
      if mixesRows(node, graph) { return false }
      for output in node.outputs where !output.isNone {
        guard leads(graph[output].type, with: batch) else { return false }
        dependent.insert(output)
      }
    }
    return graph.outputs.allSatisfy { dependent.contains($0) && leads(graph[$0].type, with: batch) }
  }

  /// Gives each row of quantized products a scale of its own when all rows are independent then.
  static func quantizeByRow(_ graph: inout Graph) {
    var byRow = graph
    for index in byRow.nodes.indices where byRow.nodes[index].op == FusedOperator.dynamicMatMul {
      byRow.nodes[index].attributes[FusedOperator.perRow] = .int(1)
    }
    if holds(in: byRow) { graph = byRow }
  }

  private static func batchSymbol(of graph: Graph) -> String? {
    guard let first = graph.inputs.first,
      case .symbol(let symbol)? = graph[first].type?.tensor?.dimensions?.first
    else { return nil }
    return graph.inputs.allSatisfy { leads(graph[$0].type, with: symbol) } ? symbol : nil
  }

  private static func leads(_ type: ValueType?, with symbol: String) -> Bool {
    guard let dimensions = type?.tensor?.dimensions else { return false }
    return dimensions.first == .symbol(symbol) && !dimensions.dropFirst().contains(.symbol(symbol))
  }

  /// Operators whose element of output row i may depend on other rows of an input although they keep axis 0.
  private static func mixesRows(_ node: Node, _ graph: Graph) -> Bool {
    if node.op == FusedOperator.dynamicMatMul {
      return (node.attributes.int(FusedOperator.perRow) ?? 0) == 0
    }
    switch node.op.description {
    case "Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "LayerNormalization", "RMSNormalization",
      "Concat", "GatherElements", "ScatterElements", "TopK", "ReverseSequence":
      guard let rank = graph[node.inputs[0]].type?.tensor?.dimensions?.count else { return true }
      let fallback =
        node.op == "Concat" || node.op.type.hasPrefix("Scatter") || node.op.type.hasPrefix("Gather")
        ? 0 : -1
      let axis = node.attributes.int("axis") ?? node.attributes.int("batch_axis") ?? fallback
      return (axis < 0 ? axis + rank : axis) == 0
    case "Gather":
      return (node.attributes.int("axis") ?? 0) == 0 && graph[node.inputs[0]].constant == nil
    case "CumSum", "CumProd", "DynamicQuantizeLinear", "ScatterND", "GatherND", "Unique",
      "MeanVarianceNormalization",
      "Slice", "Pad", "Tile", "NonMaxSuppression", "Scan", "Loop", "If", "Attention", "RNN", "LSTM", "GRU",
      "TensorScatter", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial", "Resize",
      "RoiAlign", "com.microsoft.CropAndResize", "com.microsoft.DynamicQuantizeLSTM":
      return !keepsRows(node, graph)
    default: return false
    }
  }

  /// Of the operators that can work along any axis: those that visibly leave axis 0 alone.
  private static func keepsRows(_ node: Node, _ graph: Graph) -> Bool {
    switch node.op.description {
    case "Slice":
      guard node.hasInput(3), let axes = graph[node.inputs[3]].constant,
        axes.type == .int64, let rank = graph[node.inputs[0]].type?.tensor?.dimensions?.count
      else { return false }
      return axes.array(of: Int.self).allSatisfy { ($0 < 0 ? $0 + rank : $0) != 0 }
    case "Attention", "Resize": return true
    default: return false
    }
  }
}
