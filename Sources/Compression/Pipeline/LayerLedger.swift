import GraphIR
import Tensors

/// Keeps for every layer what each step did to it, or why it did nothing.
///
/// Layers are known by the text of their keys, which no step changes: of products of the main graph the name of their output.
struct LayerLedger {
  fileprivate struct Entry {
    var report: LayerReport
    /// Nil for layers that the methods cannot work on.
    var original: Tensor?
    var originalSparsity = 0.0
    var isMentioned = false
    var isRescaled = false
    var form = WeightForm()
    /// Why most steps do not look at the layer; nil when they do.
    var restriction: String?
    /// What the layer consists of since a step replaced it, by output name.
    var parts: [String: Part] = [:]
  }

  fileprivate struct Part {
    var weights: Tensor
    var bytes: Int
  }

  /// What the report says beside the layers.
  var notes: [String] = []
  private var order: [String] = []
  private var entries: [String: Entry] = [:]
  /// The layers that parts belong to, by the parts' output names.
  private var owners: [String: String] = [:]

  init(_ model: Model) {
    let scan = LayerScan(model)
    for layer in scan.all {
      var report = Self.report(layer.name, layer.op, layer.shape)
      report.bytesBefore = layer.weights.byteCount
      report.bytesAfter = layer.weights.byteCount
      report.sparsity = Self.sparsity(of: layer.weights)
      let key = layer.key(in: model[graph: layer.path]).text
      order.append(key)
      entries[key] = Entry(
        report: report, original: layer.weights, originalSparsity: report.sparsity ?? 0,
        restriction: layer.restriction)
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

  /// Notes that a step changed `layer`'s weight into `effective`, stored in `bytes` bytes. A weight of another shape
  /// is what is left of the layer.
  /// - Parameters:
  ///   - clipped: the fraction of the weights that a clipped range cut off.
  ///   - form: what `adze.layers` of the file says beside the method.
  mutating func record(
    _ layer: WeightLayer, _ graph: Graph, method: String, effective: Tensor, bytes: Int,
    clipped: Double? = nil, form: WeightForm = WeightForm()
  ) {
    let output = layer.key(in: graph).text
    let key = owners[output] ?? output
    guard var entry = entries[key], let original = entry.original else { return }
    entry.isMentioned = true
    if entry.report.methods.last != method { entry.report.methods.append(method) }
    if let clipped { entry.report.clippedFraction = clipped }
    if let pair = Self.histograms(original, effective) {
      entry.report.histogramBefore = pair.before
      entry.report.histogramAfter = pair.after
    }
    entry.form.merge(form)
    if entry.parts.isEmpty && effective.shape == original.shape {
      entry.report.bytesAfter = bytes
      entry.report.sparsity = Self.sparsity(of: effective)
      entry.report.weightSQNR = Self.sqnr(original, effective)
    } else {
      // Weights of different shapes have no difference.
      entry.parts[output] = Part(weights: effective, bytes: bytes)
      entry.report.weightSQNR = nil
      entry.sumParts()
    }
    entries[key] = entry
  }

  /// Notes what else a step did to the form of `layer`, whose weight is recorded.
  mutating func add(method: String, to layer: WeightLayer, _ graph: Graph) {
    let output = layer.key(in: graph).text
    entries[owners[output] ?? output]?.report.methods.append(method)
  }

  /// Notes that a step put other layers in the place of `layer`.
  /// - Parameters:
  ///   - effective: the weight that they amount to, in the layer's shape.
  ///   - parts: output names and weights of the layers; one of them has the output of `layer`.
  mutating func replace(
    _ layer: WeightLayer, _ graph: Graph, method: String, effective: Tensor, parts: [(String, Tensor)]
  ) {
    let output = layer.key(in: graph).text
    let key = owners[output] ?? output
    guard var entry = entries[key], let original = entry.original else { return }
    entry.isMentioned = true
    entry.report.methods.append(method)
    if let pair = Self.histograms(original, effective) {
      entry.report.histogramBefore = pair.before
      entry.report.histogramAfter = pair.after
    }
    // What is measured is the whole layer, of which a part that is split again is not all.
    let isWhole = entry.parts.count <= 1 && effective.shape == original.shape
    entry.report.weightSQNR = isWhole ? Self.sqnr(original, effective) : nil
    entry.parts[output] = nil
    for (name, weights) in parts {
      entry.parts[name] = Part(weights: weights, bytes: weights.byteCount)
      owners[name] = key
    }
    entry.sumParts()
    entries[key] = entry
  }

  /// Notes a layer that a step brought in from another model.
  mutating func add(_ layer: WeightLayer, _ graph: Graph, method: String) {
    let key = layer.key(in: graph).text
    if entries[key] != nil || owners[key] != nil { return }
    var report = Self.report(layer.name, layer.op, layer.shape)
    report.methods = [method]
    report.bytesAfter = layer.weights.byteCount
    report.sparsity = Self.sparsity(of: layer.weights)
    order.append(key)
    entries[key] = Entry(
      report: report, original: layer.weights, originalSparsity: report.sparsity ?? 0, isMentioned: true)
  }

  /// Notes that a step saw `layer` and left its weight as it is, without a reason to tell.
  mutating func mention(_ layer: WeightLayer, _ graph: Graph) {
    let output = layer.key(in: graph).text
    entries[owners[output] ?? output]?.isMentioned = true
  }

  /// Notes that a layer's output has another name now.
  mutating func rename(_ output: String, to name: String) {
    let key = owners[output] ?? output
    guard entries[key] != nil else { return }
    owners[name] = key
    if let part = entries[key]?.parts.removeValue(forKey: output) { entries[key]?.parts[name] = part }
  }

  /// Notes that a step wrote `layer` in another scale, with which the model computes the same: what follows is compared
  /// with `weights`.
  /// - Parameter scalesOutput: false where only the scale of the layer's input is another.
  mutating func rescale(
    _ layer: WeightLayer, _ graph: Graph, method: String, _ weights: Tensor, scalesOutput: Bool = true
  ) {
    let output = layer.key(in: graph).text
    let key = owners[output] ?? output
    guard var entry = entries[key], entry.original != nil else { return }
    entry.isMentioned = true
    if scalesOutput { entry.isRescaled = true }
    if entry.parts.isEmpty { entry.original = weights } else { entry.parts[output]?.weights = weights }
    if entry.report.methods.last != method { entry.report.methods.append(method) }
    entries[key] = entry
  }

  /// Notes in how many bytes the file holds the layer's float32 weight.
  mutating func store(_ layer: WeightLayer, _ graph: Graph, bytes: Int) {
    let output = layer.key(in: graph).text
    let key = owners[output] ?? output
    guard entries[key] != nil else { return }
    if entries[key]?.parts[output] == nil {
      entries[key]?.report.bytesAfter = bytes
    } else {
      entries[key]?.parts[output]?.bytes = bytes
      entries[key]?.sumParts()
    }
  }

  /// Notes that a step left `layer` alone.
  /// - Parameter graph: the one that the layer is in; so for `record`.
  mutating func skip(_ layer: WeightLayer, _ graph: Graph, reason: String) {
    let output = layer.key(in: graph).text
    let key = owners[output] ?? output
    entries[key]?.isMentioned = true
    let isPart = (entries[key]?.parts.count ?? 0) > 1
    entries[key]?.report.noOp.append(isPart ? "\(layer.name): \(reason)" : reason)
  }

  /// Ends a step: layers that it did not see are not for it, or were taken by an earlier one.
  mutating func endStep() {
    for key in order {
      guard let entry = entries[key] else { continue }
      if entry.original != nil && !entry.isMentioned {
        let isTaken = !entry.report.methods.isEmpty
        entries[key]?.report.noOp.append(
          isTaken ? "is quantized already" : entry.restriction ?? "is quantized already")
      }
      entries[key]?.isMentioned = false
    }
  }

  /// Keys of the layers that hold a weight: products by their output names in graph order, then others.
  var outputNames: [String] { order.filter { entries[$0]?.original != nil } }

  func isChanged(_ output: String) -> Bool { entries[output]?.report.methods.isEmpty == false }

  /// Whether the layer's output has another scale than the original's.
  func isRescaled(_ output: String) -> Bool { entries[output]?.isRescaled == true }

  var hasChanges: Bool { outputNames.contains(where: isChanged) }

  func sparsity(_ output: String) -> (before: Double, after: Double) {
    guard let entry = entries[output] else { return (0, 0) }
    return (entry.originalSparsity, entry.report.sparsity ?? 0)
  }

  /// Numbers that the layer multiplies with, before and after.
  func elements(_ output: String) -> (before: Int, after: Int) {
    guard let entry = entries[output], let original = entry.original else { return (0, 0) }
    let after = entry.parts.values.reduce(0) { $0 + $1.weights.elementCount }
    return (original.elementCount, entry.parts.isEmpty ? original.elementCount : after)
  }

  /// The reports in graph order, completed by `complete`, which gets the output's name.
  func reports(_ complete: (String, inout LayerReport) -> Void) -> [LayerReport] {
    order.compactMap { key in
      guard var report = entries[key]?.report else { return nil }
      complete(key, &report)
      return report
    }
  }

  /// The changed layers: what was done, and the form of their weights.
  var changes: [(report: LayerReport, form: WeightForm)] {
    order.compactMap { key in
      guard let entry = entries[key], !entry.report.methods.isEmpty else { return nil }
      return (entry.report, entry.form)
    }
  }

  private static func report(_ name: String, _ op: OperatorName, _ shape: Shape) -> LayerReport {
    LayerReport(
      name: name, op: op.description, shape: shape.dimensions, methods: [], noOp: [], sparsity: nil,
      weightSQNR: nil, outputSQNR: nil, bytesBefore: 0, bytesAfter: 0, kernels: [])
  }

  private static func sparsity(of weights: Tensor) -> Double {
    Double(zeros(in: weights)) / Double(max(weights.elementCount, 1))
  }

  fileprivate static func zeros(in weights: Tensor) -> Int {
    weights.withElements(Float.self) { $0.reduce(0) { $0 + ($1 == 0 ? 1 : 0) } }
  }

  private static func histograms(
    _ original: Tensor, _ effective: Tensor
  ) -> (before: WeightHistogram, after: WeightHistogram)? {
    WeightHistogram.pair(before: original.array(of: Float.self), after: effective.array(of: Float.self))
  }

  private static func sqnr(_ original: Tensor, _ changed: Tensor) -> Double? {
    var error = SignalError()
    error.add(original, changed)
    return error.decibels.isFinite ? error.decibels : nil
  }
}

extension LayerLedger.Entry {
  fileprivate mutating func sumParts() {
    let zeros = parts.values.reduce(0) { $0 + LayerLedger.zeros(in: $1.weights) }
    let count = parts.values.reduce(0) { $0 + $1.weights.elementCount }
    report.sparsity = Double(zeros) / Double(max(count, 1))
    report.bytesAfter = parts.values.reduce(0) { $0 + $1.bytes }
  }
}
