import Engine
import GraphIR
import Tensors
import Testing

@testable import Compression

@Suite struct CompressorTests {
  private func input(
    _ recipe: String, _ model: Model, calibration: Dataset? = nil, evaluation: Dataset? = nil
  ) throws -> CompressionInput {
    CompressionInput(
      model: model, fileBytes: try model.serialized().count, sourceSHA256: "0123",
      recipe: try Recipe.parse(Array(recipe.utf8)), calibration: calibration, evaluation: evaluation)
  }

  private static let pruneAndQuantize =
    #"{"steps":[{"prune":{"sparsity":0.5}},{"quantize":{"activations":"dynamic"}}],"constraints":{"max_drop":1,"max_size_ratio":5}}"#

  @Test func everythingIsReported() throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 100, inner: [8])
    let output = try Compressor.run(
      try input(Self.pruneAndQuantize, model, calibration: data, evaluation: data), progress: { _ in true })
    let report = output.report
    #expect(report.evidence == .labels)
    #expect(report.before.metric?.value == 1)
    #expect(report.before.fileBytes == (try model.serialized().count))
    #expect(report.after.fileBytes == output.file.count)
    #expect(report.before.macs == 8 * 16 + 16 * 4)
    #expect(report.after.effectiveMACs == 96)
    #expect(report.before.parameters == 8 * 16 + 16 + 16 * 4 + 4)
    #expect(
      report.layers.map(\.methods) == [
        ["pruned magnitude", "int8 dynamic"], ["pruned magnitude", "int8 dynamic"],
      ])
    #expect(report.layers.allSatisfy { $0.outputSQNR != nil && $0.weightSQNR != nil && !$0.kernels.isEmpty })
    #expect(report.before.latency.map(\.batch) == [1, 8, 32])
    #expect(report.constraints.map(\.name) == ["max_drop", "max_size_ratio"])
    #expect(report.passed)
    #expect(report.label == "pruned50-int8")
    let keys = output.model.metadata.map(\.key)
    #expect(keys == ["adze.recipe", "adze.parent_sha256", "adze.layers"])
    #expect(
      output.model.metadata[2].value
        == #"{"fc1":{"bits":8,"density":0.5,"method":["pruned magnitude","int8 dynamic"],"#
        + #""structure":"unstructured"},"fc2":{"bits":8,"density":0.5,"#
        + #""method":["pruned magnitude","int8 dynamic"],"structure":"unstructured"}}"#)
    // What was written is what was measured.
    let read = try Model.load(bytes: output.file)
    let x = try #require(data.arrays["x"])
    #expect(try TestModels.run(read, x) == (try TestModels.run(output.model, x)))
    let text = String(decoding: report.encoded(), as: UTF8.self)
    for member in ["file_bytes", "p50_us", "mcnemar_p", "no_op", "weight_sqnr_db", "parent_sha256"] {
      #expect(text.contains("\"\(member)\""))
    }
  }

  @Test func equalInputsGiveEqualFiles() throws {
    let model = try TestModels.cnn()
    let data = try TestModels.dataset(for: model, rows: 50, inner: [2, 6, 6])
    let recipe = #"{"steps":[{"prune":{"sparsity":0.3}},{"quantize":{"activations":"static"}}]}"#
    var first = try input(recipe, model, calibration: data)
    let one = try Compressor.run(first, progress: { _ in true })
    first.threads = 2
    #expect(try Compressor.run(first, progress: { _ in true }).file == one.file)
  }

  @Test func stackTracesOfTheExporterAreLeftOut() throws {
    var model = try TestModels.mlp()
    model.graph.nodes[0].documentation = "model.py(3): forward"
    model.graph.nodes[0].metadata = [
      MetadataEntry(key: "pkg.torch.onnx.stack_trace", value: "File \"model.py\""),
      MetadataEntry(key: "namespace_owner", value: "me"),
    ]
    let output = try Compressor.run(
      try input(#"{"steps":[{"quantize":{"activations":"none"}}]}"#, model), progress: { _ in true })
    let metadata = output.model.graph.nodes.flatMap(\.metadata)
    #expect(metadata == [MetadataEntry(key: "namespace_owner", value: "me")])
    #expect(output.model.graph.nodes.allSatisfy { $0.documentation.isEmpty })
    #expect(
      output.report.notes.contains(
        "61 bytes of stack traces that the exporter wrote into nodes were left out."))
  }

  @Test func withoutDataTheEvidenceIsSynthetic() throws {
    let output = try Compressor.run(
      try input(#"{"preset":"safe"}"#, try TestModels.mlp()), progress: { _ in true })
    #expect(output.report.evidence == .synthetic)
    #expect(output.report.constraints.isEmpty)
    #expect(output.report.comparison?.agreement != nil)
  }

  @Test func limitsOfWhatAModelTakesAreChecked() throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 8, inner: [8])
    let kept =
      #"{"steps":[{"quantize":{"activations":"dynamic"}}],"evaluation":{"dataset":"d","batches":[2]},"constraints":{"size_max":1000000,"latency_max":1000,"memory_max":1000000}}"#
    let report = try Compressor.run(try input(kept, model, evaluation: data), progress: { _ in true }).report
    #expect(report.constraints.map(\.name) == ["size_max", "latency_max", "memory_max"])
    #expect(report.passed)
    #expect(report.after.latency.map(\.batch) == [2])
    let resident = try #require(report.before.residentBytes)
    #expect(resident >= (8 * 16 + 16 * 4) * 4 && resident < 1_000_000)
    #expect(report.layers.allSatisfy { $0.histogramAfter?.counts.reduce(0, +) == $0.shape.reduce(1, *) })
    let broken = kept.replacing("1000000", with: "1").replacing("1000,", with: "0,")
    let other = try Compressor.run(try input(broken, model, evaluation: data), progress: { _ in true }).report
    #expect(other.constraints.map(\.met) == [false, false, false])
  }

  @Test func auditChangesNothing() throws {
    let model = try TestModels.mlp()
    let output = try Compressor.run(try input(#"{"preset":"audit"}"#, model), progress: { _ in true })
    #expect(output.file == (try model.serialized()))
    #expect(output.report.comparison?.isIdentical == true)
    #expect(!output.report.promote)
  }

  @Test func pruningAloneIsNotPromoted() throws {
    let data = try TestModels.dataset(for: try TestModels.mlp(), rows: 50, inner: [8])
    let output = try Compressor.run(
      try input(
        #"{"steps":[{"prune":{"sparsity":0.99}}],"constraints":{"max_drop":0}}"#, try TestModels.mlp(),
        evaluation: data), progress: { _ in true })
    #expect(!output.report.passed)
    #expect(!output.report.promote)
    #expect(output.report.reasons.first?.hasPrefix("max_drop 0 is not met") == true)
  }

  @Test func progressGoesForwardThroughTheStages() throws {
    let model = try TestModels.mlp()
    let data = try TestModels.dataset(for: model, rows: 50, inner: [8])
    let seen = Recorder()
    _ = try Compressor.run(
      try input(#"{"preset":"balanced"}"#, model, calibration: data), progress: { seen.add($0) })
    #expect(seen.all.map(\.fraction) == seen.all.map(\.fraction).sorted())
    #expect(seen.all.last?.fraction == 1)
    #expect(seen.all.map(\.stage).contains(.calibrate))
    #expect(seen.all.map(\.stage).contains(.measure))
  }

  @Test(arguments: [1, 3, 5]) func cancelStopsTheWork(calls: Int) throws {
    let seen = Recorder(limit: calls)
    let model = try TestModels.mlp()
    #expect(throws: CompressionError.cancelled) {
      _ = try Compressor.run(try input(#"{"preset":"safe"}"#, model), progress: { seen.add($0) })
    }
    #expect(seen.all.count == calls)
  }

  @Test func dataThatDoNotFitAreNamed() throws {
    let model = try TestModels.mlp()
    let wrong = try Dataset([("x", try Tensor(shape: [4, 7], TestModels.numbers(28, seed: 1)))])
    #expect(throws: CompressionError.dataset("array 'x' has shape [4,7]; the model takes [batch,8]")) {
      _ = try Compressor.run(
        try input(#"{"preset":"safe"}"#, model, evaluation: wrong), progress: { _ in true })
    }
    let missing = try Dataset([("z", try Tensor(shape: [4, 8], TestModels.numbers(32, seed: 1)))])
    #expect(throws: CompressionError.dataset("the dataset has no array 'x'; it has z")) {
      _ = try Compressor.run(
        try input(#"{"preset":"safe"}"#, model, evaluation: missing), progress: { _ in true })
    }
    #expect(throws: CompressionError.self) {
      _ = try Compressor.run(
        try input(#"{"evaluation":{"dataset":"d"}}"#, model), progress: { _ in true })
    }
  }

  @Test func numpysDefaultTypesAreConverted() throws {
    let model = try TestModels.mlp()
    let x = try Tensor(shape: [4, 8], TestModels.numbers(32, seed: 1).map(Double.init))
    let labels = try Tensor(shape: [4], [0, 1, 2, 3] as [Int32])
    let result = try Evaluator.evaluate(
      try Program.compile(model), try Dataset([("x", x), ("labels", labels)]), metric: .accuracy)
    #expect(result.samples == 4)
  }
}

/// Collects progress; only ever called from the thread of the compression.
private final class Recorder {
  private(set) var all: [CompressionProgress] = []
  private let limit: Int

  init(limit: Int = .max) { self.limit = limit }

  func add(_ progress: CompressionProgress) -> Bool {
    all.append(progress)
    return all.count < limit
  }
}
