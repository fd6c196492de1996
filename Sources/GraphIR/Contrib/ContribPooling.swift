import Tensors

/// Convolution and pooling with channels last or quantized.
enum ContribPooling {
  private static let window = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"]

  static let forms: [ContribForm] = [
    ContribForm(
      "com.microsoft.QLinearConv", inputs: 8...9, attributes: window + ["channels_last"], expand: convolution),
    ContribForm(
      "com.microsoft.QLinearAveragePool", inputs: 4...5, required: 2,
      attributes: [
        "auto_pad", "ceil_mode", "channels_last", "count_include_pad", "kernel_shape", "pads", "strides",
      ], expand: averagePool),
    ContribForm(
      "com.microsoft.QLinearGlobalAveragePool", inputs: 4...5, required: 2, attributes: ["channels_last"],
      expand: globalAveragePool),
    ContribForm(
      "com.microsoft.NhwcMaxPool", inputs: 1...1,
      attributes: ["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides"],
      expand: channelsLastMaxPool),
    ContribForm(
      "com.microsoft.ConvTransposeWithDynamicPads", inputs: 2...4,
      attributes: ["auto_pad", "dilations", "group", "kernel_shape", "output_padding", "strides"],
      expand: convTranspose),
  ]

  @Sendable private static func convolution(_ e: inout NodeExpansion) throws {
    var attributes = e.node.attributes
    attributes["channels_last"] = nil
    var inputs = e.node.inputs
    if try !e.node.flag("channels_last") { return try e.give(0, "QLinearConv", inputs, attributes) }
    let rank = try e.rank(e.input(3), "the weight")
    inputs[0] = try e.channelsFirst(e.input(0), rank: rank)
    try e.giveChannelsLast(try e.add("QLinearConv", inputs, attributes), rank: rank)
  }

  @Sendable private static func averagePool(_ e: inout NodeExpansion) throws {
    var attributes = e.node.attributes
    attributes["channels_last"] = nil
    try pool(
      &e, "AveragePool", attributes, rank: { ($0.node.attributes.ints("kernel_shape")?.count ?? 0) + 2 })
  }

  @Sendable private static func globalAveragePool(_ e: inout NodeExpansion) throws {
    try pool(&e, "GlobalAveragePool", [:], rank: { try $0.rank($0.input(0), "the input") })
  }

  private static func pool(
    _ e: inout NodeExpansion, _ op: OperatorName, _ attributes: Attributes,
    rank find: (NodeExpansion) throws -> Int
  ) throws {
    if try !e.node.flag("channels_last") {
      let y = try e.add(op, [try e.dequantized(0)], attributes)
      return try e.giveQuantized(y, scale: 3, like: 0)
    }
    let rank = try find(e)
    let x = try e.channelsFirst(e.input(0), rank: rank)
    let floats = try e.add("DequantizeLinear", [x, e.input(1), e.input(2)])
    let y = try e.add(op, [floats], attributes)
    try e.giveQuantized(try e.channelsLast(y, rank: rank), scale: 3, like: 0)
  }

  @Sendable private static func channelsLastMaxPool(_ e: inout NodeExpansion) throws {
    let rank = (e.node.attributes.ints("kernel_shape")?.count ?? 0) + 2
    let x = try e.channelsFirst(e.input(0), rank: rank)
    try e.giveChannelsLast(try e.add("MaxPool", [x], e.node.attributes), rank: rank)
  }

  @Sendable private static func convTranspose(_ e: inout NodeExpansion) throws {
    var attributes = e.node.attributes
    if e.has(2) {
      guard let pads = e.constant(e.input(2)), pads.type == .int64 else {
        throw e.error("pads that are not constant are not supported")
      }
      attributes["pads"] = .ints(pads.array(of: Int.self))
    }
    try e.give(0, "ConvTranspose", [e.input(0), e.input(1), e.input(3)], attributes)
  }
}

extension NodeExpansion {
  mutating func channelsFirst(_ x: ValueID, rank: Int) throws -> ValueID {
    try add("Transpose", [x], ["perm": .ints([0, rank - 1] + Array(1..<max(1, rank - 1)))])
  }

  private func channelsLastOrder(_ rank: Int) -> Attributes {
    ["perm": .ints([0] + Array(2..<max(2, rank)) + [1])]
  }

  mutating func channelsLast(_ x: ValueID, rank: Int) throws -> ValueID {
    try add("Transpose", [x], channelsLastOrder(rank))
  }

  mutating func giveChannelsLast(_ x: ValueID, rank: Int) throws {
    try give(0, "Transpose", [x], channelsLastOrder(rank))
  }
}
