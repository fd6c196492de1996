import Tensors

/// What tells attention where its tokens are.
enum ContribPositions {
  static let forms: [ContribForm] = [
    ContribForm(
      "com.microsoft.RotaryEmbedding", inputs: 4...4,
      attributes: ["interleaved", "is_packed_batching", "num_heads", "rotary_embedding_dim", "scale"],
      expand: rotary),
    ContribForm(
      "com.microsoft.RelativePositionBias", inputs: 3...3, attributes: ["is_bidirectional", "max_distance"],
      expand: relativeBias),
    ContribForm(
      "com.microsoft.GatedRelativePositionBias", inputs: 6...7, attributes: ["num_heads"],
      expand: gatedBias),
  ]

  /// input, position_ids, cos_cache, sin_cache
  @Sendable private static func rotary(_ e: inout NodeExpansion) throws {
    if try e.node.flag("is_packed_batching") { throw e.error("packed batches are not supported") }
    if try e.node.float("scale", default: 1) != 1 { throw e.error("attribute 'scale' is not supported") }
    let x = e.input(0)
    let rotated = try e.node.int("rotary_embedding_dim", default: 0)
    var attributes: Attributes = [
      "interleaved": .int(try e.node.int("interleaved", default: 0)), "rotary_embedding_dim": .int(rotated),
    ]
    let rank = try e.rank(x, "the input")
    var heads = try e.node.int("num_heads", default: 0)
    if rank == 3 && heads == 0 {
      // Whole heads are rotated then, so their size is that of the caches.
      let size = 2 * (try e.lastExtent(e.input(2), "the cache"))
      if size == 0 { throw e.error("the cache is empty") }
      heads = try e.lastExtent(x, "the input") / size
    }
    if rank == 3 { attributes["num_heads"] = .int(heads) }
    var positions = e.input(1)
    if try e.rank(positions, "the positions") == 1 {
      // One number: where the sequence begins.
      let length = try e.extent(x, rank == 3 ? 1 : 2)
      let shape = try e.add("Concat", [try e.extent(x, 0), length], ["axis": .int(0)])
      let row = try e.add("Add", [try e.range(to: [length]), positions])
      positions = try e.add("Expand", [row, shape])
    }
    try e.give(0, "RotaryEmbedding", [x, e.input(2), e.input(3), positions], attributes)
  }

  /// bias_table `[buckets, heads]`, query_length, key_length
  @Sendable private static func relativeBias(_ e: inout NodeExpansion) throws {
    guard let buckets = e.type(e.input(0))?.dimensions?.first?.extent else {
      throw e.error("the number of buckets is not known")
    }
    let isBidirectional = try e.node.flag("is_bidirectional")
    let distance = try e.node.requiredInt("max_distance")
    let count = isBidirectional ? buckets / 2 : buckets
    let exact = count / 2
    if exact < 1 || distance <= exact { throw e.error("\(buckets) buckets do not fit distance \(distance)") }
    let zero = try e.integer(0)
    let queries = try e.range(to: [try e.add("Reshape", [e.input(1), try e.integers(1)])])
    let keys = try e.range(to: [try e.add("Reshape", [e.input(2), try e.integers(1)])])
    let relative = try e.add("Sub", [keys, try e.add("Unsqueeze", [queries, try e.integers(1)])])
    var base = zero
    var away = try e.add("Max", [try e.add("Neg", [relative]), zero])
    if isBidirectional {
      away = try e.add("Abs", [relative])
      base = try e.add("Where", [try e.add("Greater", [relative, zero]), try e.integer(count), zero])
    }
    // Far distances share buckets that grow with their logarithm.
    let single: Attributes = ["to": .int(ElementType.float32.onnxNumber)]
    let near = try e.add("Cast", [try e.add("Max", [away, try e.integer(1)])], single)
    func scalar(_ value: Double) throws -> ValueID { e.constant(try Tensor(scalar: Float(value))) }
    let ratio = try e.add("Log", [try e.add("Div", [near, try scalar(Double(exact))])])
    let span = try e.add(
      "Div", [ratio, try e.add("Log", [try scalar(Double(distance) / Double(exact))])])
    let steps = try e.add(
      "Cast", [try e.add("Mul", [span, try scalar(Double(count - exact))])],
      ["to": .int(ElementType.int64.onnxNumber)])
    let far = try e.add(
      "Min", [try e.add("Add", [steps, try e.integer(exact)]), try e.integer(count - 1)])
    let bucket = try e.add(
      "Where", [try e.add("Less", [away, try e.integer(exact)]), away, far])
    // The table has a column for each head.
    let table = try e.add("Transpose", [e.input(0)], ["perm": .ints([1, 0])])
    let bias = try e.add("Gather", [table, try e.add("Add", [bucket, base])], ["axis": .int(1)])
    try e.give(0, "Unsqueeze", [bias, try e.integers(0)])
  }

  /// query_layer, query_bias, rel_pos, weight, bias, eco_a
  @Sendable private static func gatedBias(_ e: inout NodeExpansion) throws {
    try e.refuse(inputs: 6, because: "sequences without padding are not")
    let heads = try ContribAttention.heads(e)
    let width = try e.lastExtent(e.input(3), "the weight")
    if width < 2 || width % 2 != 0 { throw e.error("\(width) gates cannot be halved") }
    let x = try e.splitHeads(try e.add("Add", [e.input(0), e.input(1)]), heads)
    let gates = try e.add("Add", [try e.add("MatMul", [x, e.input(3)]), e.input(4)])
    let halves = try e.add("Reshape", [gates, try e.integers(0, 0, 0, 2, width / 2)])
    let sums = try e.add(
      "Sigmoid", [try e.add("ReduceSum", [halves, try e.integers(-1)], ["keepdims": .int(0)])])
    let parts = try e.add("Split", [sums], outputs: 2, ["axis": .int(-1), "num_outputs": .int(2)])
    let one = try e.number(1, like: x)
    let scaled = try e.add("Sub", [try e.add("Mul", [parts[1], e.input(5)]), one])
    let gate = try e.add(
      "Add", [try e.add("Mul", [parts[0], scaled]), try e.number(2, like: x)])
    try e.give(0, "Mul", [gate, e.input(2)])
  }
}

extension NodeExpansion {
  /// `[batch, heads, length, size]` turned by the angles of its positions, as many features as the caches have.
  mutating func rotated(
    _ x: ValueID, _ positions: ValueID, cosines: ValueID, sines: ValueID, _ attributes: Attributes
  ) throws -> ValueID {
    var attributes = attributes
    attributes["rotary_embedding_dim"] = .int(2 * (try lastExtent(cosines, "the cache")))
    return try add("RotaryEmbedding", [x, cosines, sines, positions], attributes)
  }
}
