import Engine
import GraphIR

/// Brings a model into the form that the methods work on: weights as constants, no identities, constants folded,
/// batch normalisation inside the layer before it, an opset that has the operators of quantization.
enum Normalizer {
  /// The first opset with an axis on DequantizeLinear, and the IR version that belongs to it.
  private static let opset = 13
  private static let irVersion = 7

  /// - Throws: `CompressionError.model`.
  static func normalized(_ model: Model) throws(CompressionError) -> Model {
    do {
      var result = model
      if let version = model.opsets[""], version < opset { result = try model.raised(to: opset) }
      if model.hasContribOperators {
        // Fused and quantized operators hide their layers; ai.onnx has had all that they are made of since then.
        result = try result.raised(to: ContribOperators.opset)
        try result.inlineFunctions()
        try result.lowerContribOperators()
      }
      result.irVersion = max(result.irVersion, irVersion)
      try Passes.simplify(&result, evaluate: Program.evaluator())
      return result
    } catch {
      throw .model("\(error)")
    }
  }
}
