import GraphIR
import Tensors

/// Chooses the codes of weights by what layers do with their inputs, before anything is written.
///
/// Layers go in graph order, each on the inputs that those before it give with their new weights.
enum WeightSolver {
  /// Codes of the layers whose step looks at inputs. Their weights in `model` become what the codes stand for, and
  /// biases take up what that loses on average, where the steps say so.
  ///
  /// Weights that several layers share, and those of layers whose inputs are not measured, go to the nearest code.
  /// - Throws: `CompressionError.recipe` for methods that need data when there are none.
  static func solve(
    _ assignments: [QuantizeAssignment], in model: inout Model, _ context: StepContext
  ) throws(CompressionError) -> [LayerKey: CodedWeight] {
    guard let calibration = context.calibration else {
      for assignment in assignments {
        let step = assignment.step
        if step.method == .round && step.clip != .oscar { continue }
        let member = step.method == .round ? "clip: oscar" : "method: \(step.method.rawValue)"
        throw .recipe("\(assignment.path).\(member) needs calibration data; name a dataset in calibration")
      }
      return try unmeasured(assignments)
    }
    var steps: [LayerKey: QuantizeStep] = [:]
    var need: StatisticsNeed = []
    var readers: [ValueID: Int] = [:]
    for layer in LayerScan(model).layers { readers[layer.weight, default: 0] += 1 }
    for assignment in assignments {
      let coder = WeightCoder(assignment.step)
      guard coder.usesInputs, assignment.layer.restriction == nil, readers[assignment.layer.weight] == 1
      else {
        continue
      }
      steps[assignment.key] = assignment.step
      need.formUnion(coder.usesGram ? [.gram, .meanSquare] : .meanSquare)
    }
    var coded = try unmeasured(assignments.filter { steps[$0.key] == nil })
    if steps.isEmpty { return coded }
    let correctsBiases = steps.values.allSatisfy(\.biasCorrection)
    let walk = LayerWalk(context: context, need: need, correctsBiases: correctsBiases)
    func code(
      _ key: LayerKey, _ layer: WeightLayer, _ statistics: InputStatistics?
    ) throws(CompressionError) -> Tensor {
      guard let step = steps[key] else { return layer.weights }
      let weight = try WeightCoder(step).code(layer, statistics)
      coded[key] = weight
      return try tensors { () throws(TensorError) in try weight.decoded(layer.weightAxes) }
    }
    try walk.run(Array(steps.keys), in: &model, calibration, change: code)
    return coded
  }

  /// Codes of 8-bit products whose range is clipped, without regard to inputs.
  private static func unmeasured(
    _ assignments: [QuantizeAssignment]
  ) throws(CompressionError) -> [LayerKey: CodedWeight] {
    var coded: [LayerKey: CodedWeight] = [:]
    for assignment in assignments where assignment.step.mode != .none {
      if assignment.step.clip == .auto || assignment.step.clip == .none { continue }
      coded[assignment.key] = try WeightCoder(assignment.step).code(assignment.layer)
    }
    return coded
  }
}
