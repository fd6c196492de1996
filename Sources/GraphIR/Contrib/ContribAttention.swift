import Tensors

/// Attention of encoders and decoders, with its projections where the operator has them.
enum ContribAttention {
  static let forms: [ContribForm] = [
    ContribForm(
      "com.microsoft.Attention", inputs: 2...7, outputs: 1...2,
      attributes: [
        "do_rotary", "mask_filter_value", "num_heads", "past_present_share_buffer", "qkv_hidden_sizes",
        "rotary_embedding_dim", "scale", "unidirectional",
      ], expand: attention),
    ContribForm(
      "com.microsoft.QAttention", inputs: 5...9, outputs: 1...2,
      attributes: [
        "do_rotary", "mask_filter_value", "num_heads", "past_present_share_buffer", "scale", "unidirectional",
      ], expand: quantizedAttention),
    ContribForm(
      "com.microsoft.MultiHeadAttention", inputs: 1...10, outputs: 1...4,
      attributes: ["mask_filter_value", "num_heads", "scale", "unidirectional"]
    ) { e in
      try e.refuse(inputs: 8, 9, because: "a cache that is shared is not")
      try multiHead(&e, MultiHeadInputs(bias: 3, mask: 4, scoreBias: 5, past: 6))
    },
    ContribForm(
      "com.microsoft.DecoderMaskedMultiHeadAttention", inputs: 1...11, outputs: 1...4,
      attributes: ["mask_filter_value", "num_heads", "output_qk", "past_present_share_buffer", "scale"]
    ) { e in
      try e.refuse(inputs: 7, 9, because: "a cache that is shared is not")
      try multiHead(&e, MultiHeadInputs(bias: 10, mask: 3, scoreBias: 4, past: 5))
    },
  ]

  private static func checkCommon(_ e: NodeExpansion) throws {
    if try e.node.flag("past_present_share_buffer") {
      throw e.error("attribute 'past_present_share_buffer' is not supported")
    }
    if try e.node.flag("do_rotary") { throw e.error("attribute 'do_rotary' is not supported") }
  }

  static func heads(_ e: NodeExpansion, _ name: String = "num_heads") throws -> Int {
    let heads = try e.node.requiredInt(name)
    if heads < 1 || heads > 1 << 20 { throw e.error("attribute '\(name)' is \(heads)") }
    return heads
  }

  // MARK: With projections

  /// input, weights, bias, mask_index, past, attention_bias, past_sequence_length
  @Sendable private static func attention(_ e: inout NodeExpansion) throws {
    try e.refuse(inputs: 6, because: "a cache that is shared is not")
    var projected = try e.add("MatMul", [e.input(0), e.input(1)])
    if e.has(2) { projected = try e.add("Add", [projected, e.input(2)]) }
    let width = try e.lastExtent(e.input(1), "the weights")
    let sizes = try e.node.ints("qkv_hidden_sizes") ?? [width / 3, width / 3, width / 3]
    try selfAttention(
      &e, projected, width: width, sizes: sizes, mask: e.input(3), past: e.input(4), scoreBias: e.input(5))
  }

  /// input, weight, bias, input_scale, weight_scale, mask_index, input_zero_point, weight_zero_point, past
  @Sendable private static func quantizedAttention(_ e: inout NodeExpansion) throws {
    let x = try e.dequantized(0, scale: 3, zeroPoint: 6)
    let weights = try e.dequantized(1, scale: 4, zeroPoint: 7, axis: 1)
    let projected = try e.add("Add", [try e.add("MatMul", [x, weights]), e.input(2)])
    let width = try e.lastExtent(e.input(1), "the weights")
    try selfAttention(
      &e, projected, width: width, sizes: [width / 3, width / 3, width / 3], mask: e.input(5),
      past: e.input(8), scoreBias: .none)
  }

  private static func selfAttention(
    _ e: inout NodeExpansion, _ projected: ValueID, width: Int, sizes: [Int], mask: ValueID, past: ValueID,
    scoreBias: ValueID
  ) throws {
    try checkCommon(e)
    if sizes.count != 3 || sizes.contains(where: { $0 < 1 || $0 > width }) || sizes.reduce(0, +) != width {
      throw e.error("\(width) columns cannot be split into queries, keys and values")
    }
    let parts = try e.add(
      "Split", [projected, try e.integers(sizes[0], sizes[1], sizes[2])], outputs: 3, ["axis": .int(2)])
    var pastKey = ValueID.none
    var pastValue = ValueID.none
    if !past.isNone {
      pastKey = try e.add("Gather", [past, try e.integer(0)], ["axis": .int(0)])
      pastValue = try e.add("Gather", [past, try e.integer(1)], ["axis": .int(0)])
    }
    let heads = try Self.heads(e)
    let bias = try self.scoreBias(&e, parts[0], parts[1], axis: 1, mask, scoreBias, pastKey)
    let outputs = try e.add(
      "Attention", [parts[0], parts[1], parts[2], bias, pastKey, pastValue], outputs: 3,
      try attributes(e, heads: heads))
    try e.give(0, value: outputs[0])
    if !e.gives(1) { return }
    let both = try outputs[1...2].map { try e.add("Unsqueeze", [$0, try e.integers(0)]) }
    try e.give(1, "Concat", both, ["axis": .int(0)])
  }

  /// - Parameter axis: where the keys are counted.
  private static func scoreBias(
    _ e: inout NodeExpansion, _ q: ValueID, _ k: ValueID, axis: Int, _ mask: ValueID, _ bias: ValueID,
    _ pastKey: ValueID
  ) throws -> ValueID {
    if mask.isNone { return bias }
    var counts = [try e.extent(k, axis)]
    if !pastKey.isNone { counts.append(try e.extent(pastKey, 2)) }
    let batch = try e.extent(q, 0)
    return try e.scoreBias(mask: mask, bias: bias, keyCount: { counts }, batch: batch, like: q)
  }

  private static func attributes(_ e: NodeExpansion, heads: Int) throws -> Attributes {
    var attributes: Attributes = [
      "q_num_heads": .int(heads), "kv_num_heads": .int(heads),
      "is_causal": .int(try e.node.int("unidirectional", default: 0)),
    ]
    // 0 is the default, as for a missing one.
    let scale = try e.node.float("scale", default: 0)
    if scale != 0 { attributes["scale"] = .float(scale) }
    return attributes
  }

  // MARK: Without projections

  /// Where the operators have their inputs; past_value follows past_key.
  private struct MultiHeadInputs {
    let bias: Int
    let mask: Int
    let scoreBias: Int
    let past: Int
  }

  private static func multiHead(_ e: inout NodeExpansion, _ inputs: MultiHeadInputs) throws {
    try checkCommon(e)
    let heads = try Self.heads(e)
    var (q, k, v) = try split(&e, heads: heads, bias: inputs.bias)
    let isFourAxes = try e.rank(k, "the keys") == 4
    if isFourAxes, try e.rank(q, "the queries") == 3 { q = try e.splitHeads(q, heads) }
    if isFourAxes, try e.rank(v, "the values") == 3 { v = try e.splitHeads(v, heads) }
    let (pastKey, pastValue) = (e.input(inputs.past), e.input(inputs.past + 1))
    let bias = try scoreBias(
      &e, q, k, axis: isFourAxes ? 2 : 1, e.input(inputs.mask), e.input(inputs.scoreBias), pastKey)
    var attributes = try Self.attributes(e, heads: heads)
    // Output 3 shows the scores with their mask.
    if e.gives(3) { attributes["qk_matmul_output_mode"] = .int(2) }
    let outputs = try e.add(
      "Attention", [q, k, v, bias, pastKey, pastValue], outputs: e.gives(3) ? 4 : 3, attributes)
    if isFourAxes {
      try e.giveJoinedHeads(outputs[0])
    } else {
      try e.give(0, value: outputs[0])
    }
    try e.give(1, value: outputs[1])
    try e.give(2, value: outputs[2])
    if e.gives(3) { try e.give(3, value: outputs[3]) }
  }

  /// Queries, keys and values of inputs 0 to 2, which may be packed, with their bias.
  private static func split(
    _ e: inout NodeExpansion, heads: Int, bias: Int
  ) throws -> (q: ValueID, k: ValueID, v: ValueID) {
    if try e.rank(e.input(0), "the queries") == 5 {
      try e.refuse(inputs: bias, because: "packed queries with a bias are not")
      let parts = try unpacked(&e, e.input(0), count: 3)
      return (parts[0], parts[1], parts[2])
    }
    if !e.has(1) { throw e.error("input 1 is required where queries, keys and values are not packed") }
    if try e.rank(e.input(1), "the keys") == 5 {
      try e.refuse(inputs: bias, because: "packed keys with a bias are not")
      let parts = try unpacked(&e, e.input(1), count: 2)
      return (try e.splitHeads(e.input(0), heads), parts[0], parts[1])
    }
    if !e.has(2) { throw e.error("input 2 is required where keys and values are not packed") }
    if !e.has(bias) { return (e.input(0), e.input(1), e.input(2)) }
    let width = try e.lastExtent(e.input(0), "the queries")
    let total = try e.lastExtent(e.input(bias), "the bias")
    if width > total / 2 { throw e.error("a bias of \(total) does not fit \(width) features") }
    let isProjected = try e.rank(e.input(1), "the keys") == 3
    let parts = try e.add(
      "Split", [e.input(bias), try e.integers(width, width, total - 2 * width)], outputs: 3,
      ["axis": .int(0)])
    let q = try e.add("Add", [e.input(0), parts[0]])
    // Keys and values of rank 4 come from a cache, with their bias.
    if !isProjected { return (q, e.input(1), e.input(2)) }
    return (q, try e.add("Add", [e.input(1), parts[1]]), try e.add("Add", [e.input(2), parts[2]]))
  }

  /// `[batch, length, heads, count, size]` as `count` times `[batch, heads, length, size]`.
  private static func unpacked(_ e: inout NodeExpansion, _ x: ValueID, count: Int) throws -> [ValueID] {
    try (0..<count).map { index in
      let part = try e.add("Gather", [x, try e.integer(index)], ["axis": .int(3)])
      return try e.add("Transpose", [part], ["perm": .ints([0, 2, 1, 3])])
    }
  }
}

extension NodeExpansion {
  /// `[batch, length, heads * size]` as `[batch, heads, length, size]`.
  mutating func splitHeads(_ x: ValueID, _ heads: Int) throws -> ValueID {
    let split = try add("Reshape", [x, try integers(0, 0, heads, -1)])
    return try add("Transpose", [split], ["perm": .ints([0, 2, 1, 3])])
  }

  /// Provides output 0: the reverse.
  mutating func giveJoinedHeads(_ x: ValueID) throws {
    let rows = try add("Transpose", [x], ["perm": .ints([0, 2, 1, 3])])
    try give(0, "Reshape", [rows, try integers(0, 0, -1)])
  }
}
