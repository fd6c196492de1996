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
  @Test(arguments: [0, 1, 2, 3, 4, 5]) func everythingOfferedWorks(number: Int) throws {
    let model = try [
      TestModels.mlp(), TestModels.cnn(), TestModels.matMulAdd(), Self.transposedConvolution(groups: 1),
      Self.transposedConvolution(groups: 2), Self.stack(),
    ][number]
    let inner = [[8], [2, 6, 6], [8], [8, 5, 5], [8, 5, 5], [5, 8]][number]
    let values = TestModels.numbers(64 * inner.reduce(1, *), seed: 5)
    let calibration = try Dataset([("x", try Tensor(shape: Shape([64] + inner), values))])
    let resources = TestModels.resources()
    let input = CompressionInput(
      model: model, fileBytes: 0, sourceSHA256: "", recipe: Recipe(steps: []), calibration: calibration)
    let reference = try Normalizer.normalized(model)
    let samples = try RunSamples(input, calibration, try ModelRunner(model, resources))
    let runner = StepRunner(
      calibration: calibration, others: [:], samples: samples, resources: resources,
      memory: input.calibrationMemory, place: { "steps[\($0)]" })
    for layer in LayerScan(reference).layers {
      let offers = LayerMethods.offers(for: layer, in: reference.graph)
      #expect(offers.count >= 4)
      for offer in offers {
        let step = offer.step.selecting([layer.name])
        let (_, ledger) = try runner.apply([step], to: reference) { _ in }
        let report = ledger.reports { _, _ in }.first { $0.name == layer.name }
        #expect(report?.methods.isEmpty == false, "\(offer.name) on \(layer.name): \(report?.noOp ?? [])")
      }
    }
  }

  private static func transposedConvolution(groups: Int) throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8), .known(5), .known(5)])
    let weight = try builder.constant("w", [8, 3, 2, 2], seed: 1)
    let y = builder.node("ConvTranspose", "up", [x, weight], ["group": .int(groups)])
    return builder.model(output: y, [.symbol("batch"), .known(3 * groups), .known(6), .known(6)])
  }

  private static func stack() throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(5), .known(8)])
    let y = builder.node("MatMul", "stack", [x, try builder.constant("w", [1, 8, 3], seed: 1)])
    return builder.model(output: y, [.symbol("batch"), .known(5), .known(3)])
  }
}
