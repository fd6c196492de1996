import GraphIR
import Tensors

/// Measures the ranges of the activations that are to be quantized.
enum RangeCalibration {
  /// Ranges by the source of each tensor; a tensor that is not float32, or never finite, has none.
  static func ranges(
    _ placement: ActivationPlacement, _ model: Model, _ dataset: Dataset, _ resources: Resources
  ) throws(CompressionError) -> [ValueID: ValueRange] {
    let index = GraphIndex(model.graph)
    var ranges: [ValueID: ValueRange] = [:]
    var measured: [ValueID] = []
    var seen: Set<ValueID> = []
    for value in placement.values {
      let source = placement.source(of: value)
      if !seen.insert(source).inserted { continue }
      if let range = knownRange(source, model.graph, index) {
        ranges[source] = range
      } else {
        measured.append(source)
      }
    }
    var statistics = measured.map { RangeStatistics(placement.step(of: $0)?.calibrator ?? .minmax) }
    try ActivationObserver.observe(measured, in: model, dataset, resources) { position, tensor in
      if tensor.type == .float32 { statistics[position].add(tensor) }
    }
    for (source, statistic) in zip(measured, statistics) {
      ranges[source] = statistic.calibrated.map { effective($0, of: source, model.graph, index) }
    }
    return ranges
  }

  /// The part of `range` that makes a difference to the readers: a hard swish is 0 wherever x < −3.
  private static func effective(
    _ range: ValueRange, of value: ValueID, _ graph: Graph, _ index: GraphIndex
  ) -> ValueRange {
    guard let uses = index.allUses(of: value), !uses.isEmpty,
      uses.allSatisfy({ graph.nodes[$0.node].op == "HardSwish" })
    else { return range }
    // A level below −3: were the lowest code's number above it, all that is cut off would be a little less than zero.
    let high = max(range.high, 0)
    return ValueRange(low: max(range.low, -3 - (high + 3) / 250), high: range.high)
  }

  /// What an operator's definition says about its output.
  private static func knownRange(_ value: ValueID, _ graph: Graph, _ index: GraphIndex) -> ValueRange? {
    guard let producer = index.producers[value] else { return nil }
    switch graph.nodes[producer].op {
    case "Softmax", "Sigmoid", "HardSigmoid": return ValueRange(low: 0, high: 1)
    case "Tanh": return ValueRange(low: -1, high: 1)
    default: return nil
    }
  }
}
