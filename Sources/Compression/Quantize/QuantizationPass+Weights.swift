import GraphIR
import Tensors

extension QuantizationPass {
  /// Stores weights, those of bodies included, in few bits.
  static func applyWeightsOnly(
    _ assignments: [QuantizeAssignment], _ model: inout Model, _ ledger: inout LayerLedger,
    _ context: StepContext
  ) throws(CompressionError) {
    let chosen = leavingOutShared(assignments, model, &ledger)
    if chosen.isEmpty { return }
    var rewriting = WeightOnlyQuantization(model, chosen.map(\.layer))
    for assignment in chosen {
      let (layer, step) = (assignment.layer, assignment.step)
      let weight = try rewriting.apply(assignment)
      let decoded = try tensors { () throws(TensorError) in try weight.decoded(layer.weightAxes) }
      ledger.record(
        layer, model[graph: layer.path], method: step.weightMethod(weight), effective: decoded,
        bytes: weight.byteCount, clipped: weight.clipped, form: weight.form)
      try context.resources.meter.tick()
    }
    try rewriting.apply(to: &model)
  }

  /// Without the layers whose weight another one reads that is not chosen: the file would hold it twice.
  private static func leavingOutShared(
    _ assignments: [QuantizeAssignment], _ model: Model, _ ledger: inout LayerLedger
  ) -> [QuantizeAssignment] {
    if assignments.isEmpty { return [] }
    let keys = Set(assignments.map(\.key))
    let others = LayerScan(model).all.filter { !keys.contains($0.key(in: model[graph: $0.path])) }
    return assignments.filter { assignment in
      let layer = assignment.layer
      guard let other = others.first(where: { $0.path == layer.path && $0.weight == layer.weight }) else {
        return true
      }
      ledger.skip(
        layer, model[graph: layer.path], reason: "shares its weight with '\(other.name)', which stays float")
      return false
    }
  }
}

extension CodedWeight {
  fileprivate var form: WeightForm {
    if case .blocks(let size) = groups { return WeightForm(bits: storage.bitWidth, group: size) }
    return WeightForm(bits: storage.bitWidth)
  }
}

extension QuantizeStep {
  /// `int4 weights in groups of 32, gptq (a note)`
  fileprivate func weightMethod(_ weight: CodedWeight) -> String {
    var text = "\(weights.rawValue) weights"
    if case .blocks(let size) = weight.groups { text += " in groups of \(size)" }
    if method != .round { text += ", \(method.rawValue)" }
    return text + (weight.note.map { " (\($0))" } ?? "")
  }
}
