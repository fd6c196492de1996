import GraphIR
import Tensors

/// Keeps for every layer what each step did to it, or why it did nothing.
///
/// Layers are known by the name of their output, which no step changes.
struct LayerLedger {
  private struct Entry {
    var report: LayerReport
    /// Nil for layers that the methods cannot work on.
    var original: Tensor?
    var originalSparsity = 0.0
    var isMentioned = false
    var isRescaled = false
  }

  private var order: [String] = []
  private var entries: [String: Entry] = [:]

  init(_ scan: LayerScan, _ graph: Graph) {
    for layer in scan.layers {
      var report = Self.report(layer.name, layer.op, layer.shape)
      report.bytesBefore = layer.weights.byteCount
      report.bytesAfter = layer.weights.byteCount
      report.sparsity = Self.sparsity(of: layer.weights)
      let key = graph[layer.output].name
      order.append(key)
      entries[key] = Entry(
        report: report, original: layer.weights, originalSparsity: report.sparsity ?? 0)
    }
    for (number, layer) in scan.untouched.enumerated() {
      var report = Self.report(layer.name, layer.op, layer.shape)
      report.noOp = [layer.reason]
      // No value is named like this: untouched layers are never looked up.
      let key = "\0\(number)"
      order.append(key)
      entries[key] = Entry(report: report, original: nil)
    }
  }

  /// Notes that a step changed `layer`'s weight into `effective`, stored in `bytes` bytes.
  mutating func record(_ layer: WeightLayer, _ graph: Graph, method: String, effective: Tensor, bytes: Int) {
    let key = graph[layer.output].name
    guard let original = entries[key]?.original else { return }
    entries[key]?.isMentioned = true
    entries[key]?.report.methods.append(method)
    entries[key]?.report.bytesAfter = bytes
    entries[key]?.report.sparsity = Self.sparsity(of: effective)
    entries[key]?.report.weightSQNR = Self.sqnr(original, effective)
  }

  /// Notes that a step wrote `layer` in another scale, with which the model computes the same: what follows is compared
  /// with `weights`.
  mutating func rescale(_ layer: WeightLayer, _ graph: Graph, method: String, _ weights: Tensor) {
    let key = graph[layer.output].name
    guard entries[key]?.original != nil else { return }
    entries[key]?.isMentioned = true
    entries[key]?.isRescaled = true
    entries[key]?.original = weights
    entries[key]?.report.methods.append(method)
  }

  /// Notes that a step left `layer` alone.
  mutating func skip(_ layer: WeightLayer, _ graph: Graph, reason: String) {
    let key = graph[layer.output].name
    entries[key]?.isMentioned = true
    entries[key]?.report.noOp.append(reason)
  }

  /// Ends a step: layers that it did not see any more were taken by an earlier one.
  mutating func endStep() {
    for key in order {
      guard let entry = entries[key] else { continue }
      if entry.original != nil && !entry.isMentioned {
        entries[key]?.report.noOp.append("is quantized already")
      }
      entries[key]?.isMentioned = false
    }
  }

  /// Output names of the layers that hold a weight, in graph order.
  var outputNames: [String] { order.filter { entries[$0]?.original != nil } }

  func isChanged(_ output: String) -> Bool { entries[output]?.report.methods.isEmpty == false }

  /// Whether the layer's output has another scale than the original's.
  func isRescaled(_ output: String) -> Bool { entries[output]?.isRescaled == true }

  var hasChanges: Bool { outputNames.contains(where: isChanged) }

  func sparsity(_ output: String) -> (before: Double, after: Double) {
    guard let entry = entries[output] else { return (0, 0) }
    return (entry.originalSparsity, entry.report.sparsity ?? 0)
  }

  /// The reports in graph order, completed by `complete`, which gets the output's name.
  func reports(_ complete: (String, inout LayerReport) -> Void) -> [LayerReport] {
    order.compactMap { key in
      guard var report = entries[key]?.report else { return nil }
      complete(key, &report)
      return report
    }
  }

  private static func report(_ name: String, _ op: OperatorName, _ shape: Shape) -> LayerReport {
    LayerReport(
      name: name, op: op.description, shape: shape.dimensions, methods: [], noOp: [], sparsity: nil,
      weightSQNR: nil, outputSQNR: nil, bytesBefore: 0, bytesAfter: 0, kernels: [])
  }

  private static func sparsity(of weights: Tensor) -> Double {
    let zeros = weights.withElements(Float.self) { $0.reduce(0) { $0 + ($1 == 0 ? 1 : 0) } }
    return Double(zeros) / Double(max(weights.elementCount, 1))
  }

  private static func sqnr(_ original: Tensor, _ changed: Tensor) -> Double? {
    var error = SignalError()
    error.add(original, changed)
    return error.decibels.isFinite ? error.decibels : nil
  }
}
