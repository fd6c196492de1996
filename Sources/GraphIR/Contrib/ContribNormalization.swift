import Tensors

/// Normalizations with what comes before or after them.
enum ContribNormalization {
  static let forms: [ContribForm] = [
    simplified("SimplifiedLayerNormalization"),
    simplified("com.microsoft.SimplifiedLayerNormalization"),
    ContribForm(
      "com.microsoft.LayerNormalization", inputs: 2...3, outputs: 1...3,
      attributes: ["axis", "epsilon", "stash_type"], isComputedInFloat32: false
    ) { try $0.give(outputs: [0, 1, 2], "LayerNormalization", $0.node.inputs, $0.node.attributes) },
    ContribForm(
      "com.microsoft.SkipLayerNormalization", inputs: 3...5, outputs: 1...4, attributes: ["epsilon"],
      float32Outputs: [1, 2], expand: skipLayer),
    ContribForm(
      "com.microsoft.SkipSimplifiedLayerNormalization", inputs: 3...4, outputs: 1...4,
      attributes: ["epsilon"], float32Outputs: [1, 2], expand: skipSimplified),
    ContribForm(
      "com.microsoft.GroupNorm", inputs: 3...3,
      attributes: ["activation", "channels_last", "epsilon", "groups"]
    ) { try groups(&$0, $0.input(0)) },
    ContribForm(
      "com.microsoft.SkipGroupNorm", inputs: 4...5, outputs: 1...2,
      attributes: ["activation", "channels_last", "epsilon", "groups"], expand: skipGroups),
  ]

  /// Divides by the root of the mean of squares. `inv_std_var` (output 1) is that root's reciprocal.
  private static func simplified(_ op: OperatorName) -> ContribForm {
    ContribForm(
      op, inputs: 2...2, outputs: 1...2, attributes: ["axis", "epsilon", "stash_type"], float32Outputs: [1]
    ) { e in
      try rootMeanSquare(
        &e, e.input(0), scale: e.input(1), axis: try e.node.int("axis", default: -1), epsilon: 1e-5,
        deviation: 1)
    }
  }

  private static func rootMeanSquare(
    _ e: inout NodeExpansion, _ x: ValueID, scale: ValueID, axis: Int, epsilon: Float, deviation: Int
  ) throws {
    let epsilon = try e.node.float("epsilon", default: epsilon)
    try e.give(0, "RMSNormalization", [x, scale], ["axis": .int(axis), "epsilon": .float(epsilon)])
    if !e.gives(deviation) { return }
    if axis != -1 { throw e.error("output \(deviation) is supported for the last axis only") }
    let squares = try e.add("Mul", [x, x])
    let mean = try e.add("ReduceMean", [squares, try e.integers(-1)])
    let root = try e.add("Sqrt", [try e.add("Add", [mean, try e.number(epsilon, like: mean)])])
    try e.give(deviation, "Reciprocal", [root])
  }

  /// input, skip, gamma, beta, bias
  @Sendable private static func skipLayer(_ e: inout NodeExpansion) throws {
    let sum = try skipSum(&e, bias: 4)
    try e.give(
      outputs: [0, 1, 2], "LayerNormalization", [sum, e.input(2), e.input(3)],
      ["axis": .int(-1), "epsilon": .float(try e.node.float("epsilon", default: 1e-12))])
  }

  /// input, skip, gamma, bias
  @Sendable private static func skipSimplified(_ e: inout NodeExpansion) throws {
    let sum = try skipSum(&e, bias: 3)
    try rootMeanSquare(&e, sum, scale: e.input(2), axis: -1, epsilon: 1e-12, deviation: 2)
  }

  private static func skipSum(_ e: inout NodeExpansion, bias: Int) throws -> ValueID {
    var sum = try e.add("Add", [e.input(0), e.input(1)])
    if e.has(bias) { sum = try e.add("Add", [sum, e.input(bias)]) }
    try e.give(3, value: sum)
    return sum
  }

  /// X, gamma, beta, skip, bias
  @Sendable private static func skipGroups(_ e: inout NodeExpansion) throws {
    let isLast = try e.node.flag("channels_last", default: true)
    var skip = e.input(3)
    if try e.rank(skip, "the skip tensor") == 2 {
      skip = try e.add("Unsqueeze", [skip, isLast ? try e.integers(1, 2) : try e.integers(2, 3)])
    }
    var sum = try e.add("Add", [e.input(0), skip])
    if e.has(4) {
      let bias = isLast ? e.input(4) : try e.add("Unsqueeze", [e.input(4), try e.integers(1, 2)])
      sum = try e.add("Add", [sum, bias])
    }
    try e.give(1, value: sum)
    try groups(&e, sum)
  }

  private static func groups(_ e: inout NodeExpansion, _ x: ValueID) throws {
    let isLast = try e.node.flag("channels_last", default: true)
    let activation = try e.node.requiredInt("activation")
    if activation != 0 && activation != 1 { throw e.error("attribute 'activation' is \(activation)") }
    let first = isLast ? try e.channelsFirst(x, rank: 4) : x
    var y = try e.add(
      "GroupNormalization", [first, e.input(1), e.input(2)],
      [
        "num_groups": .int(try e.node.requiredInt("groups")),
        "epsilon": .float(try e.node.float("epsilon", default: 1e-5)),
      ])
    if activation == 1 { y = try e.add("Swish", [y]) }
    if isLast { return try e.giveChannelsLast(y, rank: 4) }
    try e.give(0, value: y)
  }
}
