import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

@Suite struct LowRankStepTests {
  enum Net: CaseIterable {
    case matMul, gemm, transposedGemm, pointwise, window, strided, samePadding, signal

    var inner: [Int] {
      switch self {
      case .matMul, .gemm, .transposedGemm: [8]
      case .signal: [6, 11]
      default: [6, 9, 8]
      }
    }

    /// How many ways there are to write it.
    var forms: Int {
      switch self {
      case .window, .strided, .samePadding: 3
      default: 1
      }
    }

    func model() throws -> Model {
      switch self {
      case .matMul: return try TestModels.matMulAdd()
      case .gemm, .transposedGemm:
        return try TestModels.mlp(isTransposed: self == .transposedGemm, alpha: 0.5, beta: 2)
      default: break
      }
      var builder = GraphBuilder()
      let x = builder.input("x", [.symbol("batch")] + inner.map { .known($0) })
      let shape: Shape = self == .signal ? [8, 6, 3] : self == .pointwise ? [8, 6, 1, 1] : [8, 6, 3, 5]
      let weight = try builder.constant("weight", shape, seed: 11)
      let bias = try builder.constant("bias", [8], seed: 12)
      let attributes: Attributes =
        switch self {
        case .pointwise: ["strides": .ints([2, 1])]
        case .window: ["pads": .ints([1, 2, 0, 1])]
        case .strided: ["strides": .ints([2, 3]), "dilations": .ints([2, 1]), "pads": .ints([2, 0, 1, 3])]
        case .samePadding: ["auto_pad": .string("SAME_UPPER"), "strides": .ints([2, 2])]
        default: ["pads": .ints([1, 1])]
        }
      let y = builder.node("Conv", "conv", [x, weight, bias], attributes)
      return builder.model(
        output: y, [.symbol("batch"), .known(8)] + inner.dropFirst().map { _ in .symbol("n") })
    }
  }

  /// The parts compute what the layer does with the weight that they are said to amount to.
  @Test(arguments: Net.allCases) func partsAreTheirProduct(net: Net) throws {
    let model = try net.model()
    let layer = LayerScan(model).layers[0]
    let x = try Tensor(
      shape: Shape([3] + net.inner), TestModels.numbers(3 * net.inner.reduce(1, *), seed: 5))
    let candidate = try LowRankCandidate(layer, gram: nil, keepsMoments: false)
    let forms = try candidate.forms(size: layer.weights.elementCount * 3 / 4)
    #expect(forms.count == net.forms)
    for parts in forms {
      #expect(parts.elementCount < layer.weights.elementCount)
      var written = model
      var writer = LowRankWriter(model.graph)
      let names = writer.write(parts, of: layer)
      try writer.apply(to: &written)
      #expect(names.map { $0.1 } == parts.weights)
      #expect(names.last?.0 == model.graph[layer.output].name)
      #expect(
        LayerScan(written).layers.prefix(names.count).map { written.graph[$0.output].name }
          == names.map { $0.0 })
      var dense = model
      dense.graph[layer.weight].constant = parts.effective
      let (a, b) = (try TestModels.run(dense, x), try TestModels.run(written, x))
      #expect(a.shape == b.shape)
      let isEqual = zip(a.array(of: Float.self), b.array(of: Float.self)).allSatisfy {
        abs($0 - $1) <= 1e-4 * max(1, abs($0))
      }
      #expect(isEqual)
    }
  }

  private func apply(_ text: String, _ model: Model, _ data: Dataset?) throws -> (Model, [LayerReport]) {
    let recipe = try Recipe.parse(Array(#"{"steps":[\#(text)]}"#.utf8))
    let output = try Compressor.run(
      CompressionInput(
        model: model, fileBytes: 1, sourceSHA256: "", recipe: recipe, calibration: data),
      progress: { _ in true })
    return (output.model, output.report.layers)
  }

  /// A layer that two replace is still one in the report, whatever happens to the two.
  @Test func partsAreReportedAsTheirLayer() throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 40, inner: [8])
    let (plain, first) = try apply(#"{"low_rank":{"parameters":0.6}}"#, model, data)
    #expect(first.count == 2)
    let bytes = LayerScan(plain).layers.reduce(0) { $0 + $1.weights.byteCount }
    #expect(first.reduce(0) { $0 + $1.bytesAfter } == bytes)
    #expect(Double(bytes) <= 0.6 * 4 * Double(8 * 16 + 16 * 4))
    let changed = try #require(first.first { !$0.methods.isEmpty })
    #expect(changed.methods[0].hasPrefix("low rank "))
    #expect(changed.weightSQNR != nil && changed.outputSQNR != nil)
    let (_, both) = try apply(
      #"{"low_rank":{"parameters":0.6}},{"quantize":{"activations":"none"}}"#, model, data)
    #expect(both.count == 2)
    #expect(both.allSatisfy { $0.methods.last == "int8 weights" })
    #expect(!both.contains { $0.noOp.contains("is quantized already") })
    #expect(both.reduce(0) { $0 + $1.bytesAfter } < bytes / 2)
  }

  /// Patterns name the layer that there was.
  @Test func patternsMeanAllParts() throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 40, inner: [8])
    let (result, _) = try apply(
      #"{"low_rank":{"parameters":0.6,"layers":["fc1"]}},{"quantize":{"activations":"none","layers":["fc1"]}}"#,
      model, data)
    #expect(LayerScan(result).layers.map(\.name) == ["fc2"])
  }

  @Test func whatIsNotSmallerStays() throws {
    let model = try TestModels.mlp()
    let (same, reports) = try apply(#"{"low_rank":{"energy":1,"method":"svd"}}"#, model, nil)
    #expect(LayerScan(same).layers.count == 2)
    #expect(
      reports.allSatisfy { $0.noOp.first?.hasSuffix("which the energy asks for, is not smaller") == true })
  }
}
