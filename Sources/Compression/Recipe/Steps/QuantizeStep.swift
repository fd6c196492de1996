/// Stores weights, and where asked computes, in few bits.
public struct QuantizeStep: Sendable, Equatable {
  public enum Weights: String, Sendable, CaseIterable {
    /// Symmetric, −127…127.
    case int8
    /// Symmetric around zero point 128: the same values in the form that avoids saturation in runtimes that
    /// multiply unsigned with signed bytes.
    case uint8
    /// Symmetric, −7…7.
    case int4
    /// Symmetric, −3…3, stored in 4 bits.
    case int3
    /// Symmetric, −1…1 with the level −2 where it helps.
    case int2
    /// 8 bits whose scale is a power of two: round(x·2^b).
    case fixed8
    /// Asymmetric: round((x − min) / (max − min) · (2^bits − 1)).
    case minmax
    /// ±scale.
    case binary
    /// −scale, 0, scale.
    case ternary
    /// A table of `clusters` numbers.
    case codebook
    case fp16, bf16
    /// float8e4m3fn with a scale.
    case fp8

    /// True for codes that integer kernels multiply with integer activations.
    public var isInteger8: Bool { self == .int8 || self == .uint8 || self == .fixed8 }
  }

  public enum Activations: String, Sendable, CaseIterable {
    /// Ranges measured once on calibration data.
    case `static`
    /// Ranges measured at every inference.
    case dynamic
    /// Float: only the weights are stored in few bits.
    case none
  }

  /// The type of static activations.
  public enum ActivationType: String, Sendable, CaseIterable {
    case uint8, int8, uint16, int16
  }

  /// What shares a range when activations are dynamic.
  public enum ActivationScale: String, Sendable, CaseIterable {
    case tensor
    /// Every row, a token, by itself: results do not depend on what else is in the batch.
    case row
  }

  /// Where static activations are rounded.
  public enum ActivationOutputs: String, Sendable, CaseIterable {
    /// What a convolution gives is in integers, whoever reads it.
    case quantized
    /// Only what layers read is: a function or a sum behind a convolution gets its float result. Half as many
    /// roundings, and elementwise operators in float.
    case float
  }

  public enum Granularity: String, Sendable, CaseIterable {
    /// One scale for each output channel.
    case channel
    case tensor
    /// One scale for every `group` inputs of a channel.
    case group
  }

  public enum Method: String, Sendable, CaseIterable {
    /// To the nearest.
    case round
    /// Frantar et al., GPTQ (2022); needs calibration data.
    case gptq
    /// Coordinate descent on the output's error; needs calibration data.
    case descent
  }

  public enum Calibrator: Sendable, Equatable {
    case minmax
    case movingAverage
    /// Cuts off so that this percentage of the values stays inside, 50…100.
    case percentile(Double)
    case entropy
    case mse
  }

  /// Factors for the channels of a layer's input: what computes it is divided by them, the weights are multiplied. The
  /// model computes the same in float and loses less when it is quantized.
  public enum Smooth: Sendable, Equatable {
    /// The α of a grid with the least error of the layer's outputs on the calibration data, where it takes away a third
    /// of the error or more; layers with an error below 1e-4 of their outputs, and all without data, stay as they are.
    /// Only where the operator before can be divided, so that nothing is added to the graph; for products with 8-bit
    /// activations, and for weights alone of fewer than 8 bits that are rounded to the nearest.
    case auto
    case none
    /// α, 0…1, for every product of the main graph: s = max|x|^α / max|w|^(1−α), Xiao et al., SmoothQuant (2022); with
    /// activations none s = (mean|x|)^α, Lin et al., AWQ (2023). Where no operator before can be divided, a Mul is put
    /// in front of the layers. Needs calibration data.
    case exponent(Double)
  }

  public enum Format: String, Sendable, CaseIterable {
    /// Float operators between QuantizeLinear and DequantizeLinear.
    case qdq
    /// QLinearConv, QLinearMatMul and com.microsoft.QGemm, where a layer's result is quantized too; only with static
    /// activations.
    case qoperator
  }

  public var weights: Weights = .int8
  /// Bits of `minmax`, 2…8.
  public var bits = 8
  /// Numbers in the table of `codebook`, 2…256.
  public var clusters = 16
  /// Nil: static where there are calibration data, else dynamic; none for weights that are not 8-bit integers, and for
  /// groups.
  public var activations: Activations?
  public var activationType: ActivationType = .uint8
  public var activationScale: ActivationScale = .tensor
  public var activationOutputs: ActivationOutputs = .quantized
  public var granularity: Granularity = .channel
  /// Inputs that share a scale with granularity `group`.
  public var group = 32
  public var method: Method = .round
  public var clip: Clip = .auto
  public var calibrator: Calibrator = .minmax
  public var smooth: Smooth = .auto
  public var format: Format = .qdq
  public var biasCorrection = true
  public var selection = LayerSelection()

  public init(activations: Activations?) { self.activations = activations }

  /// The step with its open members decided.
  func resolved(hasCalibration: Bool) -> QuantizeStep {
    var step = self
    let isProduct = weights.isInteger8 && granularity != .group
    let natural: Activations = isProduct ? (hasCalibration ? .static : .dynamic) : .none
    step.activations = activations ?? natural
    return step
  }
}
