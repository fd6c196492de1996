import Tensors

/// The embedding of words, their positions and their segments, normalized.
enum ContribEmbedding {
  static let forms: [ContribForm] = [
    ContribForm(
      "com.microsoft.EmbedLayerNormalization", inputs: 7...9, outputs: 1...3, required: 1,
      attributes: ["epsilon", "mask_index_type"], expand: embed),
    ContribForm(
      "com.microsoft.QEmbedLayerNormalization", inputs: 18...18, outputs: 1...2, required: 1,
      attributes: ["epsilon"], expand: embedQuantized),
  ]

  /// input_ids, segment_ids, word, position, segment, gamma, beta, mask, position_ids
  @Sendable private static func embed(_ e: inout NodeExpansion) throws {
    try normalize(
      &e, rows: { e, table, ids in try e.add("Gather", [e.input(table), ids]) }, gamma: e.input(5),
      beta: e.input(6), positions: e.input(8))
  }

  /// The same without positions and with 8-bit tables: their scales are inputs 8 to 12, their zero points 13 to 17.
  /// Only the rows that are read are dequantized.
  @Sendable private static func embedQuantized(_ e: inout NodeExpansion) throws {
    func dequantized(_ e: inout NodeExpansion, _ x: ValueID, _ table: Int) throws -> ValueID {
      try e.add("DequantizeLinear", [x, e.input(table + 6), e.input(table + 11)])
    }
    let gamma = try dequantized(&e, e.input(5), 5)
    let beta = try dequantized(&e, e.input(6), 6)
    try normalize(
      &e,
      rows: { e, table, ids in
        try dequantized(&e, try e.add("Gather", [e.input(table), ids]), table)
      }, gamma: gamma, beta: beta, positions: .none)
  }

  /// - Parameter rows: the rows of the table at an input.
  private static func normalize(
    _ e: inout NodeExpansion, rows: (inout NodeExpansion, Int, ValueID) throws -> ValueID, gamma: ValueID,
    beta: ValueID, positions: ValueID
  ) throws {
    for input in [2, 3, 5, 6] where !e.has(input) { throw e.error("input \(input) is required") }
    let words = try rows(&e, 2, e.input(0))
    var places = positions
    if places.isNone { places = try e.range(to: [try e.extent(e.input(0), 1)]) }
    var sum = try e.add("Add", [words, try rows(&e, 3, places)])
    if e.has(4) && e.has(1) { sum = try e.add("Add", [sum, try rows(&e, 4, e.input(1))]) }
    try e.give(
      0, "LayerNormalization", [sum, gamma, beta],
      ["axis": .int(-1), "epsilon": .float(try e.node.float("epsilon", default: 1e-12))])
    try e.give(2, value: sum)
    if !e.gives(1) { return }
    // The number of words of each sentence; 0 when there is no mask.
    let int32: Attributes = ["to": .int(ElementType.int32.onnxNumber)]
    if !e.has(7) {
      let zero = e.constant(try Tensor(scalar: Int32(0)))
      return try e.give(1, "Expand", [zero, try e.extent(e.input(0), 0)])
    }
    let one = try e.add("CastLike", [try e.integer(1), e.input(7)])
    let isWord = try e.add("Cast", [try e.add("Equal", [e.input(7), one])], int32)
    try e.give(1, "ReduceSum", [isWord, try e.integers(1)], ["keepdims": .int(0)])
  }
}
