import GraphIR
import Tensors
import Testing

@testable import Compression

@Suite struct InspectionTests {
  @Test func kindsOfLayersHaveTheirMethods() throws {
    let layers = try Inspection(TestModels.cnn()).layers
    #expect(layers.map(\.name) == ["conv1", "fc"])
    for layer in layers {
      #expect(layer.methods.contains("prune"))
      #expect(layer.methods.contains("int8 static"))
      #expect(layer.methods.contains("int8 weights"))
      #expect(layer.reason == nil)
    }
    #expect(!layers[0].methods.contains("int8 dynamic"))
    #expect(layers[1].methods.contains("int8 dynamic"))
  }

  /// Some exporters write all weights so.
  @Test func weightsOfConstantNodesCount() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let value = try Tensor(shape: [8, 4], TestModels.numbers(32, seed: 1))
    let weight = builder.node("Constant", "weight", [], ["value": .tensor(value)])
    let y = builder.node("MatMul", "mm", [x, weight])
    let inspection = try Inspection(builder.model(output: y, [.symbol("batch"), .known(4)]))
    #expect(inspection.parameters == 32)
    #expect(inspection.nonzeros == 32)
    #expect(inspection.layers.map(\.parameters) == [32])
  }

  /// What is offered for a layer changes that layer when a recipe asks for it.
  @Test(arguments: [0, 1, 2]) func everythingOfferedWorks(number: Int) throws {
    let model = try [TestModels.mlp(), TestModels.cnn(), TestModels.matMulAdd()][number]
    let inner = number == 1 ? [2, 6, 6] : [8]
    let calibration = try TestModels.dataset(for: model, rows: 64, inner: inner)
    let resources = TestModels.resources()
    let input = CompressionInput(
      model: model, fileBytes: 0, sourceSHA256: "", recipe: Recipe(steps: []), calibration: calibration)
    let reference = try Normalizer.normalized(model)
    let samples = try RunSamples(input, calibration, try ModelRunner(model, resources))
    let runner = StepRunner(
      calibration: calibration, others: [:], samples: samples, resources: resources,
      memory: input.calibrationMemory, place: { "steps[\($0)]" })
    for layer in LayerScan(reference).layers {
      let offers = LayerMethods.offers(for: layer)
      #expect(offers.count >= 4)
      for offer in offers {
        let step = offer.step.selecting([layer.name])
        let (_, ledger) = try runner.apply([step], to: reference) { _ in }
        let report = ledger.reports { _, _ in }.first { $0.name == layer.name }
        #expect(report?.methods.isEmpty == false, "\(offer.name) on \(layer.name): \(report?.noOp ?? [])")
      }
    }
  }
}
