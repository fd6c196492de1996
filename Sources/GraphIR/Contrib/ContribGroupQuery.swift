import Tensors

/// Attention whose keys and values are shared by groups of query heads and kept in a cache.
enum ContribGroupQuery {
  static let forms: [ContribForm] = [
    ContribForm(
      "com.microsoft.GroupQueryAttention", inputs: 7...16, outputs: 1...4, required: 1,
      attributes: [
        "causal", "do_rotary", "k_quant_type", "kv_cache_bit_width", "kv_num_heads", "local_window_size",
        "num_heads", "qk_norm_epsilon", "qk_output", "rotary_interleaved", "scale", "sliding_window_cache",
        "smooth_softmax", "softcap", "v_quant_type",
      ], expand: attention)
  ]

  /// query, key, value, past_key, past_value, seqlens_k, total_sequence_length, cos_cache, sin_cache, position_ids,
  /// attention_bias, head_sink, k_scale, v_scale, q_norm_weight, k_norm_weight
  @Sendable private static func attention(_ e: inout NodeExpansion) throws {
    try check(e)
    let many = try ContribAttention.heads(e)
    let few = try ContribAttention.heads(e, "kv_num_heads")
    var (q, k, v) = try split(&e, many: many, few: few)
    if e.has(14) && e.has(15) {
      let epsilon: Attributes = [
        "axis": .int(-1), "epsilon": .float(try e.node.float("qk_norm_epsilon", default: 1e-6)),
      ]
      q = try e.add("RMSNormalization", [q, e.input(14)], epsilon)
      k = try e.add("RMSNormalization", [k, e.input(15)], epsilon)
    }
    let places = try Places(&e, q)
    if try e.node.flag("do_rotary") {
      if !e.has(7) || !e.has(8) { throw e.error("attribute 'do_rotary' needs inputs 7 and 8") }
      let positions = e.has(9) ? e.input(9) : places.queries
      let rotation: Attributes = ["interleaved": .int(try e.node.int("rotary_interleaved", default: 0))]
      q = try e.rotated(q, positions, cosines: e.input(7), sines: e.input(8), rotation)
      k = try e.rotated(k, positions, cosines: e.input(7), sines: e.input(8), rotation)
    }
    let key = try cache(&e, k, past: e.input(3), places)
    let value = try cache(&e, v, past: e.input(4), places)
    try e.give(1, value: key)
    try e.give(2, value: value)
    var attributes: Attributes = ["softcap": .float(try e.node.float("softcap", default: 0))]
    let scale = try e.node.float("scale", default: 0)
    if scale != 0 { attributes["scale"] = .float(scale) }
    let y = try e.add("Attention", [q, key, value, try mask(&e, places, like: q)], attributes)
    try e.giveJoinedHeads(y)
  }

  private static func check(_ e: NodeExpansion) throws {
    for name in ["sliding_window_cache", "qk_output"] where try e.node.int(name, default: 0) != 0 {
      throw e.error("attribute '\(name)' is not supported")
    }
    if try e.node.int("smooth_softmax", default: 0) > 0 {
      throw e.error("attribute 'smooth_softmax' is not supported")
    }
    for name in ["k_quant_type", "v_quant_type"] where try e.node.string(name, default: "NONE") != "NONE" {
      throw e.error("attribute '\(name)' is not supported: the cache must not be quantized")
    }
    if try e.node.int("causal", default: 1) != 1 { throw e.error("attribute 'causal' must be 1") }
    try e.refuse(inputs: 11, because: "sinks are not")
    try e.refuse(inputs: 12, 13, because: "the cache must not be quantized")
    if !e.has(5) || !e.has(6) { throw e.error("inputs 5 and 6 are required") }
    if e.has(1) != e.has(2) || e.has(3) != e.has(4) || e.has(14) != e.has(15) {
      throw e.error("keys and values come together")
    }
  }

  /// Queries, keys and values as `[batch, heads, length, size]`.
  private static func split(
    _ e: inout NodeExpansion, many: Int, few: Int
  ) throws -> (q: ValueID, k: ValueID, v: ValueID) {
    if e.has(1) {
      return (
        try e.splitHeads(e.input(0), many), try e.splitHeads(e.input(1), few),
        try e.splitHeads(e.input(2), few)
      )
    }
    let all = try e.splitHeads(e.input(0), many + 2 * few)
    let parts = try e.add("Split", [all, try e.integers(many, few, few)], outputs: 3, ["axis": .int(1)])
    return (parts[0], parts[1], parts[2])
  }

  /// Where queries and keys lie in the sequence.
  private struct Places {
    /// For each batch entry: how much of the cache counts, `[batch]`.
    let past: ValueID
    /// Places of the queries, `[batch, length]`.
    let queries: ValueID
    /// The longest sequence of the batch, `[1]`.
    let total: ValueID

    init(_ e: inout NodeExpansion, _ q: ValueID) throws {
      let int64: Attributes = ["to": .int(ElementType.int64.onnxNumber)]
      let length = try e.extent(q, 2)
      let longest = try e.add("Reshape", [e.input(6), try e.integers(1)])
      total = try e.add("Cast", [longest], int64)
      let lengths = try e.add("Reshape", [e.input(5), try e.integers(-1)])
      let last = try e.add("Cast", [lengths], int64)
      let ends = try e.add("Add", [last, try e.integers(1)])
      // In the first prompt nothing is cached, and short sequences are padded on the right.
      let isPrompt = try e.add("Equal", [length, total])
      past = try e.add(
        "Where", [isPrompt, try e.integers(0), try e.add("Sub", [ends, length])])
      let column = try e.add("Unsqueeze", [past, try e.integers(1)])
      queries = try e.add("Add", [column, try e.range(to: [length])])
    }
  }

  /// The cache with the new keys or values behind what counts of it; as long as the longest sequence at least.
  private static func cache(
    _ e: inout NodeExpansion, _ own: ValueID, past: ValueID, _ places: Places
  ) throws -> ValueID {
    if past.isNone { return own }
    let missing = try e.add(
      "Max", [try e.add("Sub", [places.total, try e.extent(past, 2)]), try e.integers(0)])
    let none = try e.integers(0, 0, 0, 0, 0, 0)
    let pads = try e.add("Concat", [none, missing, try e.integers(0)], ["axis": .int(0)])
    let longer = try e.add("Pad", [past, pads])
    return try e.add("TensorScatter", [longer, own, places.past], ["axis": .int(2)])
  }

  /// Which keys each query may see: those up to its own, not farther back than the window.
  private static func mask(_ e: inout NodeExpansion, _ places: Places, like q: ValueID) throws -> ValueID {
    let window = try e.node.int("local_window_size", default: -1)
    let keys = try e.range(to: [places.total])
    let queries = try e.add("Unsqueeze", [places.queries, try e.integers(1, 3)])
    var isVisible = try e.add("LessOrEqual", [keys, queries])
    if window > 0 {
      let first = try e.add("Sub", [queries, try e.integers(window)])
      isVisible = try e.add("And", [isVisible, try e.add("Greater", [keys, first])])
    }
    if !e.has(10) { return isVisible }
    return try e.add("Where", [isVisible, e.input(10), try e.number(-.infinity, like: q)])
  }
}
