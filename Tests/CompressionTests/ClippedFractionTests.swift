import GraphIR
import Tensors
import Testing

@testable import Compression

@Suite struct ClippedFractionTests {
  /// A range that clips says how many weights it cuts off; one that covers all says nothing.
  @Test(arguments: ["none", "static"], ["mse", "oscar", "none"])
  func whatIsClippedIsReported(activations: String, clip: String) throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(64)])
    var values = TestModels.numbers(64 * 4, seed: 1)
    for column in 0..<4 { values[column] = 40 }
    let y = builder.node("MatMul", "mm", [x, builder.constant("w", try Tensor(shape: [64, 4], values))])
    let model = builder.model(output: y, [.symbol("batch"), .known(4)])
    // The first input, which meets the large weights, is nearly nothing.
    let inputs = TestModels.numbers(32 * 64, seed: 2).enumerated().map { $0 % 64 == 0 ? $1 / 1000 : $1 }
    let data = try Dataset([("x", try Tensor(shape: [32, 64], inputs))])
    let weights = activations == "none" ? "int4" : "int8"
    let recipe =
      #"{"steps":[{"quantize":{"weights":"\#(weights)","activations":"\#(activations)","clip":"\#(clip)"}}]}"#
    var result = model
    var ledger = LayerLedger(model)
    let context = StepContext(
      path: "steps[0].quantize", calibration: data, others: [:], resources: TestModels.resources(),
      memory: 256 << 20)
    try Recipe.parse(Array(recipe.utf8)).steps[0].method(path: context.path)
      .apply(to: &result, &ledger, context)
    let clipped = ledger.reports { _, _ in }[0].clippedFraction
    switch clip {
    case "none": #expect(clipped == nil)
    // By the power 2.4 cutting off the large weights costs more than it gains: nothing is, and that is said.
    case "mse": #expect(clipped == 0)
    // The four large weights, and few of the others.
    default: #expect(try (4...24).contains(Int((#require(clipped) * 256).rounded())))
    }
  }
}
