import GraphIR
import Testing

@Suite struct SignalRulesTests {
  static let cases: [RuleCase] = [
    RuleCase("DFT", ["f32[b,10,1]"], ["f32[b,10,2]"]),
    RuleCase("DFT", ["f32[b,10,1]"], ["f32[b,6,2]"], ["onesided": .int(1)]),
    RuleCase("DFT", ["f32[b,6,2]"], ["f32[b,10,1]"], ["onesided": .int(1), "inverse": .int(1)]),
    RuleCase("DFT", ["f32[b,10,2]", "i64[]", "i64[]"], ["f32[16,10,2]"], scalars: [1: 16, 2: 0]),
    RuleCase("DFT", ["f32[b,10,1]", "", "i64[]"], ["f32[?,?,2]"]),
    RuleCase("DFT", ["f32[b,10,3]"], error: "last axis holds 3"),
    RuleCase("DFT", ["f32[b,10,2]", "i64[]"], scalars: [1: 0], error: "dft_length is 0"),
    RuleCase("DFT", ["f32[b,10,2]", "", "i64[]"], scalars: [2: 2], error: "last axis"),
    RuleCase("STFT", ["f32[b,100,1]", "i64[]", "f32[16]"], ["f32[b,22,9,2]"], scalars: [1: 4]),
    RuleCase("STFT", ["f32[b,10,1]", "i64[]", "f32[16]"], scalars: [1: 4], error: "does not fit"),
    RuleCase("STFT", ["f32[b,100,1]", "i64[]", "f32[16]"], scalars: [1: 0], error: "frame_step is 0"),
    RuleCase("HannWindow", ["i64[]"], ["f32[8]"], scalars: [0: 8]),
    RuleCase("HannWindow", ["i64[]"], ["f32[?]"]),
    RuleCase("BlackmanWindow", ["i64[]"], scalars: [0: -1], error: "size is -1"),
    RuleCase(
      "MelWeightMatrix", ["i64[]", "i64[]", "i64[]", "f32[]", "f32[]"], ["f32[9,8]"],
      scalars: [0: 8, 1: 16, 2: 8192]),
  ]

  @Test(arguments: cases) func rule(item: RuleCase) throws { try item.run() }
}
