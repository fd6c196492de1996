import GraphIR
import Tensors

extension QuantizationPass {
  static func applyStatic(
    _ assignments: [QuantizeAssignment], _ model: inout Model, _ ledger: inout LayerLedger,
    _ context: StepContext
  ) throws(CompressionError) {
    guard !assignments.isEmpty, let calibration = context.calibration else { return }
    let graph = model.graph
    let index = GraphIndex(graph)
    let wanted = ActivationPlacement(assignments, graph, index)
    let ranges = try RangeCalibration.ranges(wanted, model, calibration, context.resources)
    let usable = assignments.filter { assignment in
      if let name = wanted.unusable(assignment.layer, ranges, graph) {
        ledger.skip(
          assignment.layer, graph, reason: "no range for '\(name)': it is not float32, or never finite")
        return false
      }
      return true
    }
    let placement = ActivationPlacement(usable, graph, index) { ranges[$0] != nil }
    var rewriting = try tensors { () throws(TensorError) in
      try StaticForm(graph, usable, placement, ranges: ranges)
    }
    for assignment in usable {
      let weight = try rewriting.apply(assignment)
      record(assignment, weight, graph, &ledger)
      try context.resources.meter.tick()
    }
    rewriting.connectActivations()
    try rewriting.apply(to: &model)
  }

  static func applyDynamic(
    _ assignments: [QuantizeAssignment], _ model: inout Model, _ ledger: inout LayerLedger,
    _ context: StepContext
  ) throws(CompressionError) {
    if assignments.isEmpty { return }
    let graph = model.graph
    var rewriting = DynamicForm(graph, opset: model.opsets[""] ?? 13)
    for assignment in assignments {
      let weight = try rewriting.apply(assignment)
      record(assignment, weight, graph, &ledger)
      try context.resources.meter.tick()
    }
    try rewriting.apply(to: &model)
  }

  private static func record(
    _ assignment: QuantizeAssignment, _ weight: Tensor, _ graph: Graph, _ ledger: inout LayerLedger
  ) {
    let (layer, step) = (assignment.layer, assignment.step)
    ledger.record(
      layer, graph, method: step.methodName, effective: weight, bytes: step.storedBytes(layer),
      clipped: assignment.coded?.clipped, form: WeightForm(bits: step.storage.bitWidth))
  }
}

extension QuantizeStep {
  /// What the step does to activations once its open members are decided.
  var mode: Activations { activations ?? .dynamic }

  /// Why the step cannot quantize `layer`; nil when it can.
  func obstacle(_ layer: WeightLayer, _ graph: Graph) -> String? {
    switch mode {
    case .dynamic: layer.restriction ?? DynamicForm.obstacle(layer, in: graph, self)
    case .static: layer.restriction ?? StaticForm.obstacle(layer)
    case .none: nil
    }
  }

  var methodName: String {
    switch mode {
    case .none: "\(weights.rawValue) weights"
    case .dynamic:
      activationScale == .row ? "\(weights.rawValue) dynamic rows" : "\(weights.rawValue) dynamic"
    case .static:
      activationType == .uint8
        ? "\(weights.rawValue) static" : "\(weights.rawValue) static \(activationType.rawValue)"
    }
  }

  /// Codes and scales.
  func storedBytes(_ layer: WeightLayer) -> Int {
    layer.weights.elementCount + 4 * (granularity == .channel ? layer.outputChannels : 1)
  }
}

extension QuantizeStep.ActivationType {
  var element: ElementType {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    }
  }

  /// Signed ones stop where they are symmetric.
  var codes: ClosedRange<Int32> {
    switch self {
    case .uint8: 0...255
    case .int8: -127...127
    case .uint16: 0...65_535
    case .int16: -32_767...32_767
    }
  }

  var is16Bit: Bool { self == .uint16 || self == .int16 }
}
