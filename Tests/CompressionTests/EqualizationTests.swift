import GraphIR
import Tensors
import Testing

@testable import Compression

/// Cross-layer equalization: the same outputs from balanced weights.
@Suite struct EqualizationTests {
  private func equalized(_ model: Model) throws -> (model: Model, layers: [LayerReport]) {
    var result = model
    var ledger = LayerLedger(model)
    let context = StepContext(
      path: "steps[0].equalize", calibration: nil, others: [:], resources: TestModels.resources(),
      memory: 256 << 20)
    try EqualizeStep().apply(to: &result, &ledger, context)
    ledger.endStep()
    return (result, ledger.reports { _, _ in })
  }

  private func expectEqualOutputs(_ model: Model, _ changed: Model, inner: [Int]) throws {
    let x = try Tensor(
      shape: Shape([16] + inner), TestModels.numbers(16 * inner.reduce(1, *), seed: 42))
    let before = try TestModels.run(model, x).array(of: Float.self)
    let after = try TestModels.run(changed, x).array(of: Float.self)
    let largest = before.map(abs).max() ?? 0
    let isClose = zip(before, after).allSatisfy { abs($0 - $1) <= 1e-5 * largest }
    #expect(isClose)
  }

  /// The largest |w| of each row of the first and of each column of the second weight are equal.
  @Test(arguments: [(false, 1, 1), (true, 0.5, 2)])
  func gemmsAreBalanced(isTransposed: Bool, alpha: Float, beta: Float) throws {
    let model = try TestModels.mlp(isTransposed: isTransposed, alpha: alpha, beta: beta)
    let (result, layers) = try equalized(model)
    try expectEqualOutputs(model, result, inner: [8])
    #expect(layers.map(\.methods) == [["equalized"], ["equalized"]])
    let changed = LayerScan(result).layers
    let (first, second) = (
      changed[0].matrix(of: changed[0].weights, group: 0), changed[1].matrix(of: changed[1].weights, group: 0)
    )
    for channel in 0..<16 {
      let output = (0..<8).map { abs(first[$0 * 16 + channel]) }.max() ?? 0
      let input = (0..<4).map { abs(second[channel * 4 + $0]) }.max() ?? 0
      #expect(abs(output - input) <= 1e-3 * output)
    }
  }

  @Test func convolutionsAndAFlattenKeepTheirOutputs() throws {
    let cnn = try TestModels.cnn()
    let (result, layers) = try equalized(cnn)
    try expectEqualOutputs(cnn, result, inner: [2, 6, 6])
    #expect(layers.map(\.methods) == [["equalized"], ["equalized"]])

    // Depthwise between two products: two pairs that share a layer.
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(2), .known(5), .known(5)])
    let a = builder.node(
      "Conv", "a",
      [x, try builder.constant("wa", [4, 2, 1, 1], seed: 1), try builder.constant("ba", [4], seed: 2)])
    let relu = builder.node("Relu", "r", [a])
    let b = builder.node(
      "Conv", "b", [relu, try builder.constant("wb", [4, 1, 3, 3], seed: 3)], ["group": .int(4)])
    let y = builder.node("Conv", "c", [b, try builder.constant("wc", [3, 4, 1, 1], seed: 4)])
    let model = builder.model(output: y, [.symbol("batch"), .known(3), .known(3), .known(3)])
    let triple = try equalized(model)
    try expectEqualOutputs(model, triple.model, inner: [2, 5, 5])
    #expect(triple.layers.map(\.methods) == [["equalized"], ["equalized"], ["equalized"]])
  }

  @Test func whatCannotBeBalancedSaysWhy() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(8)])
    let a = builder.node("MatMul", "a", [x, try builder.constant("wa", [8, 4], seed: 1)])
    let sigmoid = builder.node("Sigmoid", "s", [a])
    let y = builder.node("MatMul", "b", [sigmoid, try builder.constant("wb", [4, 4], seed: 2)])
    let model = builder.model(output: y, [.symbol("batch"), .known(4)])
    let (result, layers) = try equalized(model)
    #expect(result.graph.nodes.count == 3)
    #expect(layers[0].noOp == ["Sigmoid behind it does not keep factors"])
    #expect(layers[1].noOp == ["its result has more than one reader, or another one than a layer"])
  }
}
