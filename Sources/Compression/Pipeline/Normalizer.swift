import Engine
import GraphIR

/// Brings a model into the form that the methods work on: weights as constants, no identities, constants folded,
/// batch normalisation inside the layer before it, float32 in place of 16-bit floats, functions and known branches in
/// place, activations under their own names, an opset that has the operators of quantization.
enum Normalizer {
  /// The first opset with an axis on DequantizeLinear, and the IR version that belongs to it.
  private static let opset = 13
  private static let irVersion = 7

  /// - Throws: `CompressionError.model`.
  static func normalized(_ model: Model) throws(CompressionError) -> Model {
    do {
      var result = model
      if let version = model.opsets[""], version < opset { result = try model.raised(to: opset) }
      // Fused and quantized operators hide their layers; ai.onnx has had all that they are made of since then.
      if model.hasContribOperators { result = try result.raised(to: ContribOperators.opset) }
      try result.inlineFunctions()
      if model.hasContribOperators { try result.lowerContribOperators() }
      if FloatWidening.isNeeded(result) { _ = try FloatWidening.apply(to: &result) }
      result.irVersion = max(result.irVersion, irVersion)
      _ = try Passes.takeKnownBranches(&result, evaluate: Program.evaluator())
      BodyConstants.localize(&result)
      try Passes.simplify(&result, evaluate: Program.evaluator())
      if Passes.spelledHardSwishCount(in: result) > 0 {
        if let version = result.opsets[""], version < Passes.hardSwishOpset {
          result = try result.raised(to: Passes.hardSwishOpset)
        }
        _ = try Passes.joinHardSwish(&result)
        _ = try Passes.removeDeadCode(&result)
      }
      correctRanks(&result)
      return result
    } catch {
      throw .model("\(error)")
    }
  }

  /// Declared shapes of a rank that an output cannot have, as exporters leave them: in newer operator sets, ONNX's own
  /// inference knows enough to refuse them.
  ///
  /// Where nothing can be inferred they stay: shapes are hints.
  private static func correctRanks(_ model: inout Model) {
    guard var inferred = try? model.raised(), (try? inferred.inlineFunctions()) != nil,
      (try? inferred.graph.inferTypes()) != nil
    else { return }
    for (id, other) in zip(model.graph.outputs, inferred.graph.outputs) {
      guard let declared = model.graph[id].type?.tensor?.dimensions,
        let known = inferred.graph[other].type?.tensor?.dimensions
      else { continue }
      if declared.count != known.count { model.graph[id].type = inferred.graph[other].type }
    }
  }
}
