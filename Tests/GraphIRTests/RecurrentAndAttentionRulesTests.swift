import GraphIR
import Testing

@Suite struct RecurrentAndAttentionRulesTests {
  static let cases: [RuleCase] = [
    RuleCase(
      "LSTM", ["f32[t,b,4]", "f32[1,20,4]", "f32[1,20,5]"], ["f32[t,1,b,5]", "f32[1,b,5]", "f32[1,b,5]"]),
    RuleCase(
      "GRU", ["f32[b,t,4]", "f32[2,15,4]", "f32[2,15,5]"], ["f32[b,t,2,5]", "f32[b,2,5]"],
      ["layout": .int(1), "direction": .string("bidirectional")]),
    RuleCase("RNN", ["f32[3,2,4]", "f32[1,5,4]", "f32[1,6,5]"], error: "input 2"),
    RuleCase("RNN", ["f32[3,2,4]", "f32[1,5,3]", "f32[1,5,5]"], error: "input 1"),
    RuleCase(
      "LSTM", ["f32[3,2,4]", "f32[1,20,4]", "f32[1,20,5]"], [], ["hidden_size": .int(6)], error: "hidden"),
    RuleCase("GRU", ["f32[3,2,4]", "f32[1,15,4]", "f32[1,15,5]"], [], ["layout": .int(2)], error: "layout"),
    RuleCase("LSTM", ["f32", "f32", "f32[1,?,9223372036854775807]"], error: "overflow"),
    RuleCase(
      "Attention", ["f32[b,8,q,64]", "f32[b,2,k,64]", "f32[b,2,k,32]"],
      ["f32[b,8,q,32]", "f32[b,2,k,64]", "f32[b,2,k,32]", "f32[b,8,q,k]"]),
    RuleCase(
      "Attention", ["f32[b,q,512]", "f32[b,5,128]", "f32[b,5,64]", "", "f32[b,2,7,64]", "f32[b,2,7,32]"],
      ["f32[b,q,256]", "f32[b,2,12,64]", "f32[b,2,12,32]"],
      ["q_num_heads": .int(8), "kv_num_heads": .int(2)]),
    RuleCase("Attention", ["f32[1,2,6]", "f32[1,2,6]", "f32[1,2,6]"], error: "q_num_heads"),
    RuleCase("Attention", ["f32[1,3,2,6]", "f32[1,2,2,6]", "f32[1,2,2,6]"], error: "3 query heads"),
    RuleCase("Attention", ["f32[1,2,2,6]", "f32[1,2,2,5]", "f32[1,2,2,6]"], error: "head sizes"),
    RuleCase(
      "Attention", ["f32[1,2,2,6]", "f32[1,2,2,6]", "f32[1,2,2,6]", "bool[2,3]"], error: "covers 3 keys of 2"),
    RuleCase(
      "CausalConvWithState", ["f16[b,8,t]", "f16[8,1,4]", "f16[8]"], ["f16[b,8,t]", "f16[b,8,3]"]),
    RuleCase("CausalConvWithState", ["f32[b,8,t]", "f32[8,1,0]"], error: "no taps"),
    RuleCase("CausalConvWithState", ["f32[b,8,t]", "f32[8,2,4]"], error: "axis 1"),
    RuleCase("CausalConvWithState", ["f32[b,8,t]", "f32[8,1,4]", "", "f32[b,8,4]"], error: "past_state"),
    RuleCase(
      "LinearAttention", ["f16[b,t,64]", "f16[b,t,32]", "f16[b,t,96]", "f32[b,2,16,48]", "f16[b,t,2]"],
      ["f16[b,t,192]", "f32[b,2,16,48]"],
      ["q_num_heads": .int(4), "kv_num_heads": .int(2), "update_rule": .string("gated")]),
    RuleCase(
      "LinearAttention", ["f32[b,t,64]", "f32[b,t,32]", "f32[b,t,96]"], [],
      ["q_num_heads": .int(4), "kv_num_heads": .int(2)], error: "needs decay"),
    RuleCase(
      "LinearAttention", ["f32[b,t,64]", "f32[b,t,33]", "f32[b,t,96]"], [],
      ["q_num_heads": .int(4), "kv_num_heads": .int(2), "update_rule": .string("linear")],
      error: "33 features"),
    RuleCase(
      "LinearAttention", ["f32", "f32", "f32"], [], ["q_num_heads": .int(3), "kv_num_heads": .int(2)],
      error: "3 query heads"),
    RuleCase("RotaryEmbedding", ["f32[b,h,s,64]", "f32[m,32]", "f32[m,32]", "i64[b,s]"], ["f32[b,h,s,64]"]),
    RuleCase("RotaryEmbedding", ["f32[b,s,64]", "f32[b,s,4]", "f32[b,s,4]"], error: "num_heads"),
    RuleCase("RotaryEmbedding", ["f32[b,h,s,6]", "f32[b,s,4]", "f32[b,s,4]"], error: "cache width"),
    RuleCase("NegativeLogLikelihoodLoss", ["f32[b,c,d]", "i64[b,d]"], ["f32[]"]),
    RuleCase(
      "SoftmaxCrossEntropyLoss", ["f32[b,c]", "i32[b]", "f32[c]"], ["f32[b]", "f32[b,c]"],
      ["reduction": .string("none")]),
    RuleCase("NegativeLogLikelihoodLoss", ["f32[2,3]", "i64[2,1]"], error: "rank"),
    RuleCase("NegativeLogLikelihoodLoss", ["f32[2,3]", "i64[3]"], error: "extents"),
  ]

  @Test(arguments: cases) func rule(item: RuleCase) throws { try item.run() }
}
