import Tensors

/// Attention and the rotation of its queries and keys.
enum AttentionRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "Attention", inputs: 3...7, outputs: 1...4,
      attributes: [
        "is_causal", "kv_num_heads", "q_num_heads", "qk_matmul_output_mode", "scale", "softcap",
        "softmax_precision",
      ], infer: inferAttention),
    OperatorRule(
      "RotaryEmbedding", inputs: 3...4,
      attributes: ["interleaved", "num_heads", "rotary_embedding_dim"], infer: inferRotary),
  ]

  /// `[batch, heads, sequence, size]` of an input that may be `[batch, sequence, heads * size]`.
  private static func heads(
    _ context: InferenceContext, _ input: Int, _ count: Int?
  ) throws(GraphError) -> [Dimension]? {
    guard let own = context.dimensions(input) else { return nil }
    if own.count == 4 { return own }
    guard let count, count > 0 else {
      throw context.error("inputs of rank 3 need the attributes 'q_num_heads' and 'kv_num_heads'")
    }
    guard let hidden = own[2].extent else { return [own[0], .known(count), own[1], .unknown] }
    if hidden % count != 0 { throw context.error("\(hidden) features cannot be split into \(count) heads") }
    return [own[0], .known(count), own[1], .known(hidden / count)]
  }

  /// `cached` and then `own` along the sequence.
  private static func present(
    _ context: InferenceContext, _ own: [Dimension]?, _ cache: Int
  ) throws(GraphError) -> [Dimension]? {
    guard context.node.hasInput(cache) else { return own }
    guard let own, let past = context.dimensions(cache) else { return nil }
    var result = own
    for axis in [0, 1, 3] {
      result[axis] = try context.merged(own[axis], past[axis], "extents of input \(cache) on axis \(axis)")
    }
    if let a = own[2].extent, let b = past[2].extent {
      result[2] = .known(try context.add(a, b))
    } else {
      result[2] = past[2] == .known(0) ? own[2] : .unknown
    }
    return result
  }

  @Sendable private static func inferAttention(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try AttentionAttributes(context.node)
    for input in 0..<3 {
      try context.expect(input, .float)
      try context.expectRank(input, 3...4)
    }
    let element = try context.commonElement([0, 1, 4])
    _ = try context.commonElement([2, 5])
    try context.expect(3, [.numeric, .bool])
    try context.expectRank(3, 1...4)
    try context.expectRank(4, 4...4)
    try context.expectRank(5, 4...4)
    try context.expect(6, .int64)
    try context.expectRank(6, 1...1)
    if context.node.hasInput(4) != context.node.hasInput(5) {
      throw context.error("past_key and past_value come together")
    }
    let q = try heads(context, 0, attributes.queryHeads)
    let k = try heads(context, 1, attributes.keyHeads)
    let v = try heads(context, 2, attributes.keyHeads)
    let ranks = Set((0..<3).compactMap { context.dimensions($0)?.count })
    if ranks.count > 1 { throw context.error("queries, keys and values must have the same rank") }
    let key = try present(context, k, 4)
    let value = try present(context, v, 5)
    if let q, let k {
      _ = try context.merged(q[0], k[0], "the batches of queries and keys")
      _ = try context.merged(q[3], k[3], "the head sizes of queries and keys")
      if let many = q[1].extent, let few = k[1].extent, few == 0 || many % few != 0 {
        throw context.error("\(many) query heads cannot share \(few) key heads")
      }
    }
    if let k, let v {
      for axis in 0..<3 { _ = try context.merged(k[axis], v[axis], "the extents of keys and values") }
    }
    if let key, let value { _ = try context.merged(key[2], value[2], "the lengths of keys and values") }
    if let lengths = context.dimensions(6), let q {
      _ = try context.merged(lengths[0], q[0], "the batches of queries and nonpad_kv_seqlen")
    }
    try expectMask(context, q, key)
    guard let element else { return }
    context.setOutput(0, element, try outputShape(context, q, value))
    context.setOutput(1, element, key)
    context.setOutput(2, context.element(2) ?? element, value)
    context.setOutput(3, element, q.flatMap { q in key.map { [q[0], q[1], q[2], $0[2]] } })
  }

  private static func outputShape(
    _ context: InferenceContext, _ q: [Dimension]?, _ value: [Dimension]?
  ) throws(GraphError) -> [Dimension]? {
    guard let q, let value, let rank = context.dimensions(0)?.count else { return nil }
    if rank == 4 { return [q[0], q[1], q[2], value[3]] }
    return [q[0], q[2], try context.product([q[1], value[3]])]
  }

  /// The mask must broadcast to `[batch, heads, queries, keys]`; its last axis may be shorter.
  private static func expectMask(
    _ context: InferenceContext, _ q: [Dimension]?, _ key: [Dimension]?
  ) throws(GraphError) {
    guard let mask = context.dimensions(3), let q, let key else { return }
    let target = [q[0], q[1], q[2]]
    for (own, wanted) in zip(mask.dropLast().reversed(), target.reversed()) {
      guard let own = own.extent, own != 1, let wanted = wanted.extent else { continue }
      if own != wanted { throw context.error("the mask's extent \(own) does not fit \(wanted)") }
    }
    if let own = mask.last?.extent, let keys = key[2].extent, own > keys {
      throw context.error("the mask covers \(own) keys of \(keys)")
    }
  }

  @Sendable private static func inferRotary(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try RotaryEmbeddingAttributes(context.node)
    try context.expect(0, .float)
    _ = try context.commonElement(0..<3)
    try context.expectRank(0, 3...4)
    try context.expect(3, .int64)
    try context.expectRank(3, 2...2)
    let rank = context.node.hasInput(3) ? 2 : 3
    for input in 1...2 { try context.expectRank(input, rank...rank) }
    if let cosines = context.dimensions(1), let sines = context.dimensions(2) {
      _ = try context.merged(cosines[0], sines[0], "the lengths of both caches")
    }
    context.copyType()
    guard let x = context.dimensions(0) else { return }
    let sequence = x.count == 4 ? x[2] : x[1]
    var size = x[x.count - 1]
    if x.count == 3 {
      guard attributes.heads > 0 else { throw context.error("attribute 'num_heads' is required for rank 3") }
      if let hidden = size.extent {
        if hidden % attributes.heads != 0 {
          throw context.error("\(hidden) features cannot be split into \(attributes.heads) heads")
        }
        size = .known(hidden / attributes.heads)
      }
    }
    guard let head = size.extent else { return }
    let rotated = attributes.rotated == 0 ? head : attributes.rotated
    if rotated > head || rotated % 2 != 0 {
      throw context.error("\(rotated) of \(head) features cannot be rotated in pairs")
    }
    for input in 1...2 {
      guard let cache = context.dimensions(input) else { continue }
      _ = try context.merged(cache[cache.count - 1], .known(rotated / 2), "cache width and rotated pairs")
      if rank == 3 {
        _ = try context.merged(cache[0], x[0], "the batches of input and cache")
        _ = try context.merged(cache[1], sequence, "the lengths of input and cache")
      }
    }
    if let positions = context.dimensions(3) {
      _ = try context.merged(positions[0], x[0], "the batches of input and positions")
      _ = try context.merged(positions[1], sequence, "the lengths of input and positions")
    }
  }
}

public struct AttentionAttributes: Sendable {
  /// What output 3 shows of the scores.
  public enum ScoreOutput: Int, Sendable { case product, capped, masked, probabilities }

  public let isCausal: Bool
  public let queryHeads: Int?
  public let keyHeads: Int?
  /// nil: one over the square root of the head size.
  public let scale: Float?
  /// 0: none.
  public let softcap: Float
  public let scoreOutput: ScoreOutput

  public init(_ node: Node) throws(GraphError) {
    isCausal = try node.flag("is_causal")
    queryHeads = try node.optionalInt("q_num_heads")
    keyHeads = try node.optionalInt("kv_num_heads")
    scale = try node.optionalFloat("scale")
    softcap = try node.float("softcap", default: 0)
    let mode = try node.int("qk_matmul_output_mode", default: 0)
    guard let output = ScoreOutput(rawValue: mode) else {
      throw node.error("attribute 'qk_matmul_output_mode' is \(mode), not 0 to 3")
    }
    scoreOutput = output
    if let type = try node.elementType("softmax_precision"), !ElementSet.float.contains(type) {
      throw node.error("attribute 'softmax_precision' is \(type.name)")
    }
  }
}

public struct RotaryEmbeddingAttributes: Sendable {
  /// Pairs are neighbours; else the first and second half.
  public let isInterleaved: Bool
  /// 0 unless given.
  public let heads: Int
  /// The features of each head that are rotated; 0: all.
  public let rotated: Int

  public init(_ node: Node) throws(GraphError) {
    isInterleaved = try node.flag("interleaved")
    heads = try node.int("num_heads", default: 0)
    rotated = try node.int("rotary_embedding_dim", default: 0)
    if heads < 0 || rotated < 0 { throw node.error("head count and rotated features cannot be negative") }
  }
}
