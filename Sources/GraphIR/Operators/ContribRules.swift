import Tensors

/// Operators of com.microsoft that the engine computes by itself; all others are written with those of ai.onnx
/// (`ContribOperators`).
enum ContribRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "com.microsoft.MatMulNBits", inputs: 3...6,
      attributes: ["K", "N", "accuracy_level", "bits", "block_size", "weight_prepacked"],
      infer: inferMatMulNBits),
    OperatorRule(
      "com.microsoft.GatherBlockQuantized", inputs: 3...4,
      attributes: ["bits", "block_size", "gather_axis", "quantize_axis"], infer: inferGatherBlocks),
    OperatorRule(
      "com.microsoft.DynamicQuantizeLSTM", inputs: 12...12, outputs: 0...3, requiredInputs: 3,
      attributes: [
        "activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size",
        "input_forget",
      ], infer: inferLSTM),
    OperatorRule("com.microsoft.CDist", inputs: 2...2, attributes: ["metric"], infer: inferDistances),
    OperatorRule("com.microsoft.Inverse", inputs: 1...1, infer: inferInverse),
    OperatorRule(
      "com.microsoft.MurmurHash3", inputs: 1...1, attributes: ["positive", "seed"], infer: inferHash),
    OperatorRule(
      "com.microsoft.CropAndResize", inputs: 4...4, attributes: ["extrapolation_value", "mode"],
      infer: inferCropAndResize),
    OperatorRule(
      "com.microsoft.NGramRepeatBlock", inputs: 2...2, attributes: ["ngram_size"], infer: inferNGrams),
  ]

  /// Input `index` must have `count` elements, whatever its shape.
  private static func expectCount(
    _ context: InferenceContext, _ index: Int, _ count: Int
  ) throws(GraphError) {
    guard let own = context.shape(index)?.checkedElementCount, own != count else { return }
    throw context.error("input \(index) has \(own) elements, not \(count)")
  }

  @Sendable private static func inferMatMulNBits(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try MatMulNBitsAttributes(context.node)
    try context.expect(0, .float)
    try context.expectRank(0, 1...Int.max)
    try context.expect(1, ElementSet(.uint8))
    let element = try context.commonElement(context.element(3) == .uint8 ? [0, 2, 5] : [0, 2, 3, 5])
    try context.expect(3, [.float, ElementSet(.uint8)])
    try context.expect(4, .int32)
    try expectCount(context, 1, attributes.columns * attributes.blocks * attributes.blockBytes)
    try expectCount(context, 2, attributes.columns * attributes.blocks)
    if context.element(3) == .uint8 {
      try expectCount(context, 3, attributes.columns * attributes.zeroPointBytes)
    } else {
      try expectCount(context, 3, attributes.columns * attributes.blocks)
    }
    if let groups = context.shape(4)?.checkedElementCount, groups < attributes.depth {
      throw context.error("input 4 has \(groups) elements for \(attributes.depth) rows")
    }
    try expectCount(context, 5, attributes.columns)
    guard let element else { return }
    guard let a = context.dimensions(0) else { return context.setOutput(0, element, nil) }
    _ = try context.merged(a[a.count - 1], .known(attributes.depth), "the depth and attribute 'K'")
    context.setOutput(0, element, Array(a.dropLast()) + [.known(attributes.columns)])
  }

  @Sendable private static func inferGatherBlocks(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try GatherBlocksAttributes(context.node)
    try context.expect(0, [ElementSet(.uint8), ElementSet(.int4), ElementSet(.uint4)])
    try context.expect(1, .index)
    try context.expect(2, .float)
    _ = try context.commonElement([0, 3])
    guard let element = context.element(2), let type = context.element(0) else { return }
    guard let data = context.shape(0), let indices = context.dimensions(1) else {
      return context.setOutput(0, element, nil)
    }
    let layout = try attributes.layout(context.node, data, type)
    if let scales = context.shape(2), scales.dimensions != layout.scales {
      throw context.error("scales of shape \(scales) do not fit \(Shape(layout.scales))")
    }
    if let zeroPoints = context.shape(3), zeroPoints.dimensions != layout.zeroPoints {
      throw context.error("zero points of shape \(zeroPoints) do not fit \(Shape(layout.zeroPoints))")
    }
    let extents = layout.extents.map(Dimension.known)
    context.setOutput(
      0, element, Array(extents[..<layout.gatherAxis]) + indices + Array(extents[(layout.gatherAxis + 1)...]))
  }

  @Sendable private static func inferLSTM(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try RecurrentAttributes(context.node)
    try context.expect(0, .float32)
    for input in [1, 2, 9, 11] { try context.expect(input, .eightBit) }
    for input in [3, 5, 6, 7, 8, 10] { try context.expect(input, .float32) }
    try context.expect(4, .int32)
    for (input, rank) in [(0, 3), (1, 3), (2, 3), (3, 2), (4, 1), (5, 3), (6, 3), (7, 2)] {
      try context.expectRank(input, rank...rank)
    }
    for input in 8..<12 where !context.node.hasInput(input) {
      throw context.error("input \(input) is required")
    }
    let directions = Dimension.known(attributes.direction.count)
    let x = context.dimensions(0) ?? [.unknown, .unknown, .unknown]
    var hidden = context.dimensions(2)?[1] ?? .unknown
    if let size = attributes.hiddenSize { hidden = try context.merged(.known(size), hidden, "hidden sizes") }
    let gates: Dimension =
      if let size = hidden.extent { .known(try context.multiply(size, 4)) } else { .unknown }
    let twoBiases: Dimension =
      if let size = gates.extent { .known(try context.multiply(size, 2)) } else { .unknown }
    let peepholes: Dimension =
      if let size = hidden.extent { .known(try context.multiply(size, 3)) } else { .unknown }
    let state = [directions, x[1], hidden]
    let expected: [(Int, [Dimension])] = [
      (1, [directions, x[2], gates]), (2, [directions, hidden, gates]), (3, [directions, twoBiases]),
      (4, [x[1]]), (5, state), (6, state), (7, [directions, peepholes]),
    ]
    for (input, wanted) in expected {
      guard let own = context.dimensions(input) else { continue }
      for (axis, extent) in own.enumerated() {
        _ = try context.merged(extent, wanted[axis], "extents of input \(input) on axis \(axis)")
      }
    }
    for input in 8..<12 {
      guard let own = context.shape(input), let size = gates.extent else { continue }
      let fits = [[attributes.direction.count], [attributes.direction.count, size]]
      if !fits.contains(own.dimensions) { throw context.error("input \(input) has the shape \(own)") }
    }
    context.setOutput(0, .float32, [x[0], directions, x[1], hidden])
    context.setOutput(1, .float32, state)
    context.setOutput(2, .float32, state)
  }

  @Sendable private static func inferDistances(_ context: inout InferenceContext) throws(GraphError) {
    _ = try DistanceMetric(context.node)
    for input in 0..<2 {
      try context.expect(input, .float)
      try context.expectRank(input, 2...2)
    }
    guard let element = try context.commonElement(0..<2) else { return }
    guard let a = context.dimensions(0), let b = context.dimensions(1) else {
      return context.setOutput(0, element, [.unknown, .unknown])
    }
    _ = try context.merged(a[1], b[1], "the features of both inputs")
    context.setOutput(0, element, [a[0], b[0]])
  }

  @Sendable private static func inferInverse(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    try context.expectRank(0, 2...Int.max)
    if let x = context.dimensions(0) {
      _ = try context.merged(x[x.count - 1], x[x.count - 2], "the extents of the matrix")
    }
    context.copyType()
  }

  @Sendable private static func inferHash(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(
      0,
      [
        .int32, .int64, .uint32, .uint64, .float32, .string, ElementSet(.float64),
      ])
    context.setOutput(
      0, try context.node.flag("positive", default: true) ? .uint32 : .int32, context.dimensions(0))
  }

  @Sendable private static func inferCropAndResize(_ context: inout InferenceContext) throws(GraphError) {
    _ = try CropAndResizeAttributes(context.node)
    try context.expect(0, .float)
    for (input, rank) in [(0, 4), (1, 2), (2, 1), (3, 1)] { try context.expectRank(input, rank...rank) }
    for input in [2, 3] { try context.expect(input, .int32) }
    guard let element = try context.commonElement(0..<2) else { return }
    let size = try context.integers(3)
    if let size, size.count != 2 || size.contains(where: { $0 < 1 }) {
      throw context.error("the size of the crops must be a height and a width")
    }
    if let boxes = context.dimensions(1), let last = boxes[1].extent, last != 4 {
      throw context.error("a box has 4 numbers, not \(last)")
    }
    if let boxes = context.dimensions(1), let batch = context.dimensions(2) {
      _ = try context.merged(boxes[0], batch[0], "the numbers of boxes and batch indices")
    }
    context.setOutput(
      0, element,
      [
        context.dimensions(1)?[0] ?? .unknown, context.dimensions(0)?[1] ?? .unknown,
        size.map { .known($0[0]) } ?? .unknown, size.map { .known($0[1]) } ?? .unknown,
      ])
  }

  @Sendable private static func inferNGrams(_ context: inout InferenceContext) throws(GraphError) {
    let size = try context.node.requiredInt("ngram_size")
    if size < 1 { throw context.error("attribute 'ngram_size' is \(size)") }
    try context.expect(0, .int64)
    try context.expect(1, .float32)
    for input in 0..<2 { try context.expectRank(input, 2...2) }
    if let ids = context.dimensions(0), let scores = context.dimensions(1) {
      _ = try context.merged(ids[0], scores[0], "the batches of ids and scores")
    }
    if let scores = context.type(1) { context.setOutput(0, .tensor(scores)) }
  }
}
