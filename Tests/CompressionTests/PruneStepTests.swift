import GraphIR
import Tensors
import Testing

@testable import Compression
@testable import Engine

/// Pruning through the pipeline.
@Suite struct PruneStepTests {
  private func run(
    _ prune: String, _ model: Model, _ data: Dataset?, threads: Int = 1
  ) throws -> CompressionOutput {
    let recipe = try Recipe.parse(Array(#"{"steps":[{"prune":\#(prune)}],"storage":"plain"}"#.utf8))
    return try Compressor.run(
      CompressionInput(
        model: model, fileBytes: try model.serialized().count, sourceSHA256: "", recipe: recipe,
        calibration: data, threads: threads), progress: { _ in true })
  }

  private static let methods = ["magnitude", "random", "wanda", "obs", "stability"]
  private static let structures = ["unstructured", "2:4", "4:8", "block:1x16", "block:4x1"]

  /// Half of the weights of both layers go, whatever chooses them and in what shape.
  @Test(arguments: methods, structures) func everyMethodKnowsEveryStructure(
    method: String, structure: String
  ) throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(2), .known(4), .known(4)])
    let kernel = try builder.constant("kernel", [32, 2, 2, 2], seed: 1)
    let conv = builder.node("Conv", "conv", [x, kernel])
    let flat = builder.node("Flatten", "flat", [builder.node("Relu", "relu", [conv])])
    let weight = try builder.constant("weight", [288, 16], seed: 2)
    let y = builder.node("MatMul", "fc", [flat, weight])
    let model = builder.model(output: y, [.symbol("batch"), .known(16)])
    let data = try TestModels.dataset(for: model, rows: 40, inner: [2, 4, 4])
    let output = try run(
      #"{"method":"\#(method)","structure":"\#(structure)","sparsity":0.5}"#, model, data)
    for layer in output.report.layers {
      #expect(abs((layer.sparsity ?? 0) - 0.5) < 0.01, "\(layer.name)")
      let shape = structure == "unstructured" ? "" : " \(structure)"
      #expect(layer.methods == ["pruned \(method)\(shape)"])
    }
  }

  @Test(arguments: ["none", "bias", "least_squares", "auto"]) func repairsMakeOutputsAgreeMore(
    repair: String
  ) throws {
    let model = try TestModels.cnn()
    let data = try TestModels.dataset(for: model, rows: 60, inner: [2, 6, 6])
    func loss(_ repair: String) throws -> Double {
      let output = try run(#"{"sparsity":0.5,"repair":"\#(repair)"}"#, model, data)
      return 1 - (try #require(output.report.comparison?.cosine))
    }
    let plain = try loss("none")
    #expect(try repair == "none" ? loss(repair) == plain : loss(repair) < plain)
  }

  @Test(arguments: [
    #""method":"wanda""#, #""method":"obs""#, #""method":"stability""#, #""repair":"bias""#,
    #""repair":"least_squares""#,
  ]) func whatNeedsDataSaysSo(members: String) throws {
    let error = #expect(throws: CompressionError.self) {
      try run("{\(members),\"sparsity\":0.5}", try TestModels.mlp(), nil)
    }
    let text = "\(try #require(error))"
    #expect(text.hasPrefix("steps[0].prune.") && text.contains("calibration data"), "\(text)")
  }

  /// Layers share the loss as the scope says.
  @Test(arguments: ["magnitude", "obs", "wanda"], ["layer", "global", "erk"]) func scopesShareTheLoss(
    method: String, scope: String
  ) throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 60, inner: [8])
    let report = try run(#"{"method":"\#(method)","scope":"\#(scope)","sparsity":0.5}"#, model, data).report
    let sparsity = try report.layers.map { try #require($0.sparsity) }
    #expect(abs(sparsity[0] * 128 + sparsity[1] * 64 - 96) <= 8)
    if scope == "layer" { #expect(abs(sparsity[0] - 0.5) < 0.01) }
    if scope == "erk" { #expect(sparsity[0] > sparsity[1]) }
  }

  @Test func equalRecipesGiveEqualBytesOnAnyNumberOfThreads() throws {
    let model = try TestModels.cnn()
    let data = try TestModels.dataset(for: model, rows: 40, inner: [2, 6, 6])
    let prune = #"{"method":"obs","sparsity":0.6}"#
    let first = try run(prune, model, data).file
    #expect(try run(prune, model, data).file == first)
    #expect(try run(prune, model, data, threads: 2).file == first)
  }

  /// What is zero before stays zero.
  @Test(arguments: ["magnitude", "obs"]) func earlierZerosStay(method: String) throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 40, inner: [8])
    let pruned = try run(#"{"sparsity":0.75,"repair":"none"}"#, model, data).model
    let again = try run(#"{"method":"\#(method)","sparsity":0.3,"repair":"least_squares"}"#, pruned, data)
    #expect(again.report.layers.allSatisfy { ($0.sparsity ?? 0) >= 0.75 || !$0.noOp.isEmpty })
  }

  /// The kernels that skip what each structure removes take the result.
  @Test(arguments: [
    ("2:4", WeightFormKind.twoOfFour), ("block:1x16", .sparsePanel), ("block:4x1", .sparseQuads),
  ]) func theEngineTakesTheStructure(structure: String, kind: WeightFormKind) throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(64)])
    let weight = try builder.constant("weight", [64, 64], seed: 2)
    let y = builder.node("MatMul", "fc", [x, weight])
    let model = builder.model(output: y, [.symbol("batch"), .known(64)])
    let data = try TestModels.dataset(for: model, rows: 40, inner: [64])
    let pruned = try run(#"{"structure":"\#(structure)","sparsity":0.5}"#, model, data).model
    let layer = LayerScan(pruned).layers[0]
    let density = WeightDensity(
      WeightMatrix(tensor: layer.weights, depth: 64, columns: 64, kStride: 64, nStride: 1))
    #expect(density.candidates.contains { $0.kind == kind && $0.density <= 0.5 })
    let runner = try ModelRunner(pruned, TestModels.resources(), weightForm: kind)
    try runner.prepare([try #require(data.arrays["x"])])
    let kernels = try runner.kernels()["fc"] ?? []
    #expect(kernels.count == 1 && !kernels[0].hasPrefix("gemm_f32"), "\(kernels)")
  }
}
