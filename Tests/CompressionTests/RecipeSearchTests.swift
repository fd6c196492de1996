import GraphIR
import Synchronization
import Tensors
import Testing

@testable import Compression

@Suite struct RecipeSearchTests {
  private func input(_ recipe: String, data: Dataset?) throws -> CompressionInput {
    let model = try TestModels.cnn()
    return CompressionInput(
      model: model, fileBytes: try model.serialized().count, sourceSHA256: "0",
      recipe: try Recipe.parse(Array(recipe.utf8)), calibration: data, evaluation: data)
  }

  private func data() throws -> Dataset {
    try TestModels.dataset(for: try TestModels.cnn(), rows: 60, inner: [2, 6, 6])
  }

  @Test func aSearchFindsWhatKeepsItsLimits() throws {
    let recipe = #"{"search":{"seconds":20,"trials":12,"minimize":"size"},"constraints":{"max_drop":0.05}}"#
    let output = try Compressor.run(try input(recipe, data: try data()), progress: { _ in true })
    let search = try #require(output.report.search)
    #expect(search.trials.count <= 12 && search.trials[0].steps.isEmpty)
    #expect(search.pareto.contains(0) && search.pareto.contains(search.chosen))
    let chosen = search.trials[search.chosen]
    #expect(search.chosen > 0)
    #expect(try #require(chosen.quality).loss <= 0.05 + 1e-9)
    #expect(chosen.steps == output.report.steps)
    #expect(try #require(chosen.cost).fileBytes < (try #require(search.trials[0].cost).fileBytes))
    let sensitivity = try #require(output.report.sensitivity)
    #expect(Set(sensitivity.map(\.layer)) == ["conv1", "fc"])
    #expect(output.report.layers.allSatisfy { $0.decision != nil })
    // The steps that the report names give the same file again.
    var again = try input(#"{"preset":"audit"}"#, data: try data())
    again.recipe = Recipe(steps: output.report.steps.map(\.step))
    let repeated = try Compressor.run(again, progress: { _ in true })
    #expect(repeated.file == output.file)
  }

  @Test func limitsThatNothingKeepsLeaveTheModel() throws {
    let recipe = #"{"search":{"seconds":10,"trials":8},"constraints":{"size_max":10}}"#
    let output = try Compressor.run(try input(recipe, data: try data()), progress: { _ in true })
    #expect(output.report.search?.chosen == 0)
    #expect(output.report.steps.isEmpty)
    #expect(!output.report.promote)
    #expect(output.report.layers.allSatisfy { $0.methods.isEmpty })
  }

  @Test func aStopKeepsTheBestSoFar() throws {
    var input = try input(#"{"search":{"seconds":60,"trials":100}}"#, data: try data())
    let questions = Mutex(0)
    input.shouldFinish = {
      questions.withLock { count in
        count += 1
        return count > 2
      }
    }
    let report = try Compressor.run(input, progress: { _ in true }).report
    #expect(report.search?.isStopped == true)
    #expect(report.seconds < 30)
  }

  @Test func aSearchNeedsNoData() throws {
    let report = try Compressor.run(
      try input(#"{"search":{"seconds":10,"trials":6}}"#, data: nil), progress: { _ in true }
    ).report
    #expect(report.evidence == .synthetic)
    #expect(report.search != nil)
    #expect(report.sensitivity?.contains { $0.option.contains("static") } == false)
  }

  @Test func layersThatAreTakenBackAreLeftToTheNextStep() {
    let bold = Recipe.Step.quantize(QuantizeStep(activations: .static))
    let careful = Recipe.Step.quantize(QuantizeStep(activations: QuantizeStep.Activations.none))
    var selection = LayerSelection()
    selection.exclude = ["fc"]
    #expect(PresetRun.leaving(["fc"], [bold, careful], to: [careful]) == [bold.with(selection), careful])
    #expect(PresetRun.leaving(["fc"], [careful], to: []) == [careful.with(selection)])
  }

  @Test func asManyLayersAreTakenBackAsBringTheNoiseDown() {
    #expect(PresetRun.layersToTakeBack([8, 4, 2, 2], keeping: 0.5) == 1)
    #expect(PresetRun.layersToTakeBack([8, 4, 2, 2], keeping: 0.25) == 2)
    #expect(PresetRun.layersToTakeBack([8, 4, 2, 2], keeping: 0) == 4)
    #expect(PresetRun.layersToTakeBack([0, 0], keeping: 0.5) == 1)
  }

  /// With a limit that no quantization keeps the model stays as it is, and the report says so.
  @Test func aPresetThatCannotKeepItsPromiseChangesNothing() throws {
    let recipe =
      #"{"preset":"balanced","evaluation":{"dataset":"d","metric":"sqnr"},"constraints":{"max_drop":1e-9}}"#
    let output = try Compressor.run(try input(recipe, data: try data()), progress: { _ in true })
    #expect(output.report.steps.isEmpty)
    #expect(!output.report.promote)
    #expect(output.report.notes.contains { $0.contains("left as it is") })
  }
}
