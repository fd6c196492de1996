import GraphIR
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

  /// A product with `weight` `[depth, channels]`, or a convolution, and a step that quantizes it.
  private static func assignment(_ weight: Tensor, _ step: QuantizeStep) -> QuantizeAssignment {
    let layer = WeightLayer(
      node: 0, name: "layer", op: "MatMul", kind: weight.shape.rank == 2 ? .matMul : .conv(groups: 1),
      activation: .none, weight: .none, output: .none, weights: weight)
    return QuantizeAssignment(
      layer: layer, key: LayerKey(text: "layer"), step: step, path: "steps[0].quantize")
  }

  /// Against the formula written out for one number at a time.
  @Test(arguments: [QuantizeStep.Weights.int8, .uint8], [QuantizeStep.Granularity.channel, .tensor])
  func weightsFollowTheFormula(weights: QuantizeStep.Weights, granularity: QuantizeStep.Granularity) throws {
    var step = QuantizeStep(activations: .dynamic)
    step.weights = weights
    step.granularity = granularity
    for (shape, axis) in [(Shape([7, 5]), 1), (Shape([3, 2, 3, 3]), 0), (Shape([1, 1]), 1)] {
      var values = TestModels.numbers(shape.elementCount, seed: 11)
      values[0] = 0
      let assignment = Self.assignment(try Tensor(shape: shape, values), step)
      let coded = try assignment.codedWeight()
      #expect(coded.scales.count == (granularity == .channel ? shape[axis] : 1))
      let codes = try #require(coded.codes.integerCodes)
      let restored = try coded.decoded(assignment.layer.weightAxes).array(of: Float.self)
      let walk = ChannelWalk(shape, axis: axis)
      for (index, value) in values.enumerated() {
        let scale = coded.scales[coded.scales.count == 1 ? 0 : walk.channel(of: index)]
        #expect(scale.zeroPoint == (weights == .int8 ? 0 : 128))
        let code = min(max((value / scale.scale).rounded(.toNearestOrEven), -127), 127)
        #expect(Float(codes[index] - scale.zeroPoint) == code)
        #expect(abs(restored[index] - value) <= scale.scale * 0.5001)
      }
      #expect(restored[0] == 0)
    }
  }

  @Test func zeroAndConstantChannelsAreExact() throws {
    let tensor = try Tensor(shape: [2, 3], [0, 5, -3, 0, 5, -3] as [Float])
    let coded = try Self.assignment(tensor, QuantizeStep(activations: .dynamic)).codedWeight()
    #expect(coded.scales[0].scale == 1)
    #expect(coded.codes.array(of: Int8.self) == [0, 127, -127, 0, 127, -127])
  }

  @Test func minimumScalesMakeRoomForBiases() throws {
    let tensor = try Tensor(shape: [1, 2], [1, 1] as [Float])
    let coded = try Self.assignment(tensor, QuantizeStep(activations: .static))
      .codedWeight(minimumScales: [10, 0])
    #expect(coded.scales.map(\.scale) == [10, 1 / 127])
  }

  /// Codes that were chosen by the inputs stay, with the factor in their scales, unless a bias needs larger ones.
  @Test func chosenCodesAreKept() throws {
    let tensor = try Tensor(shape: [1, 2], [1, 1] as [Float])
    var assignment = Self.assignment(tensor, QuantizeStep(activations: .static))
    let codes = try Tensor(shape: [1, 2], [7, 9] as [Int8])
    assignment.coded = CodedWeight(
      storage: .int8, codes: codes, groups: .channel, scales: [GridScale(scale: 0.5), GridScale(scale: 0.25)])
    let kept = try assignment.codedWeight(factor: 2, minimumScales: [1, 0])
    #expect(kept.codes == codes)
    #expect(kept.scales.map(\.scale) == [1, 0.5])
    let anew = try assignment.codedWeight(minimumScales: [1, 0])
    #expect(anew.codes.array(of: Int8.self) == [1, 127])
    assignment.step.weights = .fixed8
    #expect(try assignment.codedWeight(factor: 3).scales.allSatisfy { $0.scale.significand == 1 })
  }

  @Test(arguments: [QuantizeStep.Activations.static, .dynamic])
  func fixedPointScalesArePowersOfTwo(activations: QuantizeStep.Activations) throws {
    var step = QuantizeStep(activations: activations)
    step.weights = .fixed8
    let tensor = try Tensor(shape: [5, 7], TestModels.numbers(35, seed: 4))
    let coded = try Self.assignment(tensor, step)
      .codedWeight(factor: 0.3, minimumScales: [Float](repeating: 0.01, count: 7))
    #expect(coded.scales.allSatisfy { $0.scale.significand == 1 && $0.scale >= 0.01 })
  }
}
