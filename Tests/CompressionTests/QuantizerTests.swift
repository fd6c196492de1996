import Tensors
import Testing

@testable import Compression

@Suite struct QuantizerTests {
  /// Low, high, scale, zero point: onnxruntime's compute_scale_zp.
  private static let activationCases: [(Float, Float, Float, Int32)] = [
    (0, 255, 1, 0), (-128, 127, 1, 128), (-1, 1, 2 / 255, 128), (2, 6, 6 / 255, 0), (-6, -2, 6 / 255, 255),
    (0, 0, 1, 0), (.leastNonzeroMagnitude, .leastNonzeroMagnitude, 1, 0),
  ]

  @Test(arguments: activationCases) func activationsAreAsymmetricAndHoldZero(
    low: Float, high: Float, scale: Float, zeroPoint: Int32
  ) {
    let parameters = ActivationParameters(ValueRange(low: low, high: high))
    #expect(parameters.scale == scale)
    #expect(parameters.zeroPoint == zeroPoint)
  }

  @Test func hugeRangesKeepAFiniteScale() {
    let range = ValueRange(low: -.greatestFiniteMagnitude, high: .greatestFiniteMagnitude)
    #expect(ActivationParameters(range).scale.isFinite)
  }

  /// Against the formula written out for one number at a time.
  @Test(arguments: [QuantizeStep.Weights.int8, .uint8], [QuantizeStep.Granularity.channel, .tensor])
  func weightsFollowTheFormula(weights: QuantizeStep.Weights, granularity: QuantizeStep.Granularity) throws {
    var step = QuantizeStep(activations: .dynamic)
    step.weights = weights
    step.granularity = granularity
    for (shape, axis) in [
      (Shape([7, 5]), 1), (Shape([7, 5]), 0), (Shape([3, 2, 3, 3]), 0), (Shape([1, 1]), 1),
    ] {
      var values = TestModels.numbers(shape.elementCount, seed: 11)
      values[0] = 0
      let tensor = try Tensor(shape: shape, values)
      let quantized = try WeightQuantizer.quantize(tensor, axis: axis, step)
      #expect(quantized.scales.count == (granularity == .channel ? shape[axis] : 1))
      let codes = quantized.tensor.withBytes { Array($0) }
      let walk = ChannelWalk(shape, axis: axis)
      for (index, value) in values.enumerated() {
        let scale = quantized.scales[quantized.scales.count == 1 ? 0 : walk.channel(of: index)]
        let code = min(max((value / scale).rounded(.toNearestOrEven), -127), 127)
        let stored = weights == .int8 ? Float(Int8(bitPattern: codes[index])) : Float(codes[index]) - 128
        #expect(stored == code)
      }
      let restored = try WeightQuantizer.dequantize(quantized, axis: axis).array(of: Float.self)
      for (index, value) in values.enumerated() {
        let scale = quantized.scales[quantized.scales.count == 1 ? 0 : walk.channel(of: index)]
        #expect(abs(restored[index] - value) <= scale * 0.5001)
      }
      #expect(restored[0] == 0)
    }
  }

  @Test func zeroAndConstantChannelsAreExact() throws {
    let tensor = try Tensor(shape: [2, 3], [0, 5, -3, 0, 5, -3] as [Float])
    let quantized = try WeightQuantizer.quantize(tensor, axis: 1, QuantizeStep(activations: .dynamic))
    #expect(quantized.scales[0] == 1)
    #expect(quantized.tensor.array(of: Int8.self) == [0, 127, -127, 0, 127, -127])
  }

  @Test func minimumScalesMakeRoomForBiases() throws {
    let tensor = try Tensor(shape: [1, 2], [1, 1] as [Float])
    let quantized = try WeightQuantizer.quantize(
      tensor, axis: 1, QuantizeStep(activations: .static), minimumScales: [10, 0])
    #expect(quantized.scales == [10, 1 / 127])
  }
}
