import GraphIR
import Tensors
import Testing

@testable import Compression

/// Equal inputs give equal files, for any number of threads.
@Suite struct DeterminismTests {
  /// One for every kind of step, method and form; those that this version refuses are not taken.
  static let steps = every.filter { (try? Recipe.parse(Array(#"{"steps":[\#($0)]}"#.utf8))) != nil }

  private static let every = [
    #"{"prune":{"sparsity":0.5}}"#,
    #"{"prune":{"sparsity":0.5,"method":"random"}}"#,
    #"{"prune":{"sparsity":0.5,"method":"wanda"}}"#,
    #"{"prune":{"sparsity":0.5,"method":"obs"}}"#,
    #"{"prune":{"sparsity":0.5,"method":"stability"}}"#,
    #"{"prune":{"structure":"2:4"}}"#,
    #"{"prune":{"sparsity":0.5,"structure":"block:1x16"}}"#,
    #"{"prune":{"sparsity":0.25,"structure":"channel"}}"#,
    #"{"quantize":{"activations":"static"}}"#,
    #"{"quantize":{"activations":"static","calibrator":"entropy"}}"#,
    #"{"quantize":{"activations":"dynamic"}}"#,
    #"{"quantize":{"activations":"dynamic","activation_scale":"row"}}"#,
    #"{"quantize":{"activations":"none"}}"#,
    #"{"quantize":{"weights":"int4","granularity":"group","group":8,"method":"gptq"}}"#,
    #"{"quantize":{"weights":"int4","method":"descent"}}"#,
    #"{"quantize":{"weights":"codebook"}}"#,
    #"{"quantize":{"weights":"ternary"}}"#,
    #"{"quantize":{"weights":"fp16"}}"#,
    #"{"share_weights":{}}"#,
    #"{"low_rank":{"parameters":0.5}}"#,
    #"{"equalize":{}}"#,
    #"{"merge":{"model":"other"}}"#,
  ]

  @Test(arguments: steps)
  func equalInputsGiveEqualFiles(step: String) throws {
    let model = try TestModels.cnn()
    let data = try TestModels.dataset(for: model, rows: 40, inner: [2, 6, 6])
    var input = CompressionInput(
      model: model, fileBytes: 0, sourceSHA256: "0",
      recipe: try Recipe.parse(Array(#"{"steps":[\#(step)]}"#.utf8)), calibration: data,
      others: ["other": model], threads: 1)
    let one = try Compressor.run(input, progress: { _ in true })
    input.threads = 2
    let two = try Compressor.run(input, progress: { _ in true })
    #expect(one.file == two.file)
    #expect(one.report.layers.allSatisfy { !$0.methods.isEmpty || !$0.noOp.isEmpty })
  }

  @Test(arguments: ["safe", "balanced", "fast", "small"])
  func equalInputsGiveEqualPresets(preset: String) throws {
    let model = try TestModels.cnn()
    let data = try TestModels.dataset(for: model, rows: 40, inner: [2, 6, 6])
    var input = CompressionInput(
      model: model, fileBytes: 0, sourceSHA256: "0",
      recipe: try Recipe.parse(Array(#"{"preset":"\#(preset)"}"#.utf8)), calibration: data, threads: 1)
    let one = try Compressor.run(input, progress: { _ in true })
    input.threads = 2
    #expect(try Compressor.run(input, progress: { _ in true }).file == one.file)
  }
}
