import GraphIR
import Tensors

/// What one step works with.
struct StepContext {
  /// Where the step stands in the recipe, for messages: `steps[1].quantize`.
  var path: String
  var calibration: Dataset?
  /// Models that steps name beside the one they work on.
  var others: [String: Model]
  var resources: Resources
  /// Bytes that statistics of the calibration data may take.
  var memory: Int
}

/// Runs `body`, whose tensors are known to fit, as this module's error.
func tensors<R>(_ body: () throws(TensorError) -> R) throws(CompressionError) -> R {
  do {
    return try body()
  } catch {
    throw .model("\(error)")
  }
}
