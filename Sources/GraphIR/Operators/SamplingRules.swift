import Tensors

/// Operators that read or write at places computed from data: GridSample, AffineGrid, DeformConv, Col2Im, MaxUnpool.
enum SamplingRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "GridSample", inputs: 2...2, attributes: ["align_corners", "mode", "padding_mode"],
      infer: inferGridSample),
    OperatorRule("AffineGrid", inputs: 2...2, attributes: ["align_corners"], infer: inferAffineGrid),
    OperatorRule(
      "DeformConv", inputs: 3...5,
      attributes: ["dilations", "group", "kernel_shape", "offset_group", "pads", "strides"],
      infer: inferDeformConv),
    OperatorRule("Col2Im", inputs: 3...3, attributes: ["dilations", "pads", "strides"], infer: inferCol2Im),
    OperatorRule(
      "MaxUnpool", inputs: 2...3, attributes: ["kernel_shape", "pads", "strides"], infer: inferUnpool),
  ]

  @Sendable private static func inferGridSample(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(1, .float)
    _ = try GridSampleAttributes(context.node)
    try context.expectRank(0, 3...Int.max)
    guard let type = context.type(0) else { return }
    guard let input = type.dimensions else {
      context.setOutput(0, type.element, nil)
      return
    }
    let rank = input.count
    try context.expectRank(1, rank...rank)
    guard let grid = context.dimensions(1) else {
      context.setOutput(0, type.element, [input[0], input[1]] + Array(repeating: .unknown, count: rank - 2))
      return
    }
    let batch = try context.merged(input[0], grid[0], "the batches of input and grid")
    _ = try context.merged(grid[rank - 1], .known(rank - 2), "the coordinates of a place")
    context.setOutput(0, type.element, [batch, input[1]] + grid[1..<(rank - 1)])
  }

  @Sendable private static func inferAffineGrid(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    _ = try context.node.flag("align_corners")
    try context.expectRank(0, 3...3)
    try context.expectRank(1, 1...1)
    guard let element = context.element(0) else { return }
    _ = try context.integers(1)
    guard let size = context.knownElements(1) else {
      context.setOutput(0, element, nil)
      return
    }
    if size.count != 4 && size.count != 5 {
      throw context.error("input 1 has \(size.count) extents, not 4 or 5")
    }
    let rank = size.count - 2
    if let theta = context.dimensions(0) {
      _ = try context.merged(theta[0], size[0], "the batches of theta and size")
      _ = try context.merged(theta[1], .known(rank), "the rows of theta")
      _ = try context.merged(theta[2], .known(rank + 1), "the columns of theta")
    }
    context.setOutput(0, element, [size[0]] + size[2...] + [.known(rank)])
  }

  @Sendable private static func inferDeformConv(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    let element = try context.commonElement(0..<5)
    for input in [0, 1, 2, 4] { try context.expectRank(input, 4...4) }
    guard let element else { return }
    guard let weight = context.dimensions(1), let kernelHeight = weight[2].extent,
      let kernelWidth = weight[3].extent
    else {
      context.setOutput(0, element, nil)
      return
    }
    let attributes = try DeformConvAttributes(context.node, kernel: [kernelHeight, kernelWidth])
    let places = try context.multiply(attributes.offsetGroup, try context.multiply(kernelHeight, kernelWidth))
    let offset = context.dimensions(2)
    if let offset {
      _ = try context.merged(offset[1], .known(try context.multiply(2, places)), "the offsets of a place")
    }
    if let mask = context.dimensions(4) {
      _ = try context.merged(mask[1], .known(places), "the mask of a place")
    }
    if let bias = context.dimensions(3), let first = bias.first {
      _ = try context.merged(first, weight[0], "the lengths of bias and output channels")
    }
    guard let input = context.dimensions(0) else {
      context.setOutput(0, element, nil)
      return
    }
    if let channels = input[1].extent, let share = weight[1].extent, let filters = weight[0].extent {
      let covered = try context.multiply(share, attributes.window.group)
      if channels % attributes.offsetGroup != 0 || filters % attributes.window.group != 0
        || covered != channels
      {
        throw context.error("\(channels) channels and \(filters) filters do not fit the groups")
      }
    }
    for side in [offset, context.dimensions(4)] {
      if let side { _ = try context.merged(side[0], input[0], "the batches of offset and input") }
    }
    var extents = [input[0], weight[0]]
    for axis in 0..<2 {
      let extent = try attributes.window.window.output(axis, of: input[axis + 2], context)
      for side in [offset, context.dimensions(4)] {
        if let side { _ = try context.merged(side[axis + 2], extent, "the extents of offset and output") }
      }
      extents.append(extent)
    }
    context.setOutput(0, element, extents)
  }

  @Sendable private static func inferCol2Im(_ context: inout InferenceContext) throws(GraphError) {
    try context.expectRank(0, 3...3)
    guard let element = context.element(0) else { return }
    let image = try context.integers(1)
    let block = try context.integers(2)
    guard let image, let block else {
      context.setOutput(0, element, nil)
      return
    }
    let window = try Col2ImAttributes.window(context.node, image: image, block: block)
    var blockSize = 1
    var positions = 1
    for axis in block.indices {
      blockSize = try context.multiply(blockSize, block[axis])
      guard let count = window.outputExtent(axis, extent: image[axis]) else {
        throw context.error(
          "a block of \(window.span(axis)) does not fit into the image's extent \(image[axis])")
      }
      positions = try context.multiply(positions, count)
    }
    var channels = Dimension.unknown
    if let input = context.dimensions(0) {
      _ = try context.merged(input[2], .known(positions), "the numbers of blocks")
      if let rows = input[1].extent {
        if rows % blockSize != 0 { throw context.error("\(rows) rows are no multiple of \(blockSize)") }
        channels = .known(rows / blockSize)
      }
    }
    context.setOutput(
      0, element, [context.dimensions(0)?[0] ?? .unknown, channels] + image.map(Dimension.known))
  }

  @Sendable private static func inferUnpool(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .float)
    try context.expect(1, .int64)
    let window = try SlidingWindow(context.node)
    try context.expectRank(0, (window.spatialRank + 2)...(window.spatialRank + 2))
    guard let element = context.element(0) else { return }
    if let left = context.dimensions(0), let right = context.dimensions(1) {
      if left.count != right.count { throw context.error("values and indices have different ranks") }
      for (a, b) in zip(left, right) { _ = try context.merged(a, b, "the extents of values and indices") }
    }
    if context.node.hasInput(2) {
      let shape = try context.integers(2)
      let rank = window.spatialRank + 2
      if let shape, shape.count != rank { throw context.error("output_shape has \(shape.count) extents") }
      context.setOutput(
        0, element, shape?.map(Dimension.known) ?? Array(repeating: .unknown, count: rank))
      return
    }
    guard let input = context.dimensions(0) else {
      context.setOutput(0, element, nil)
      return
    }
    var extents = [input[0], input[1]]
    for axis in 0..<window.spatialRank {
      guard let extent = input[axis + 2].extent else {
        extents.append(.unknown)
        continue
      }
      extents.append(.known(try MaxUnpoolShape.extent(window, axis, extent, context.node)))
    }
    context.setOutput(0, element, extents)
  }
}

/// `GridSample`.
public struct GridSampleAttributes: Sendable {
  public enum Mode: String, CaseIterable, Sendable { case linear, nearest, cubic }
  public enum Padding: String, CaseIterable, Sendable { case zeros, border, reflection }

  public let mode: Mode
  public let padding: Padding
  public let alignsCorners: Bool

  public init(_ node: Node) throws(GraphError) {
    mode = try node.choice("mode", default: .linear)
    padding = try node.choice("padding_mode", default: .zeros)
    alignsCorners = try node.flag("align_corners")
  }
}

/// `DeformConv`.
public struct DeformConvAttributes: Sendable {
  public let window: ConvAttributes
  public let offsetGroup: Int

  public init(_ node: Node, kernel: [Int]) throws(GraphError) {
    window = try ConvAttributes(node, kernel: kernel)
    offsetGroup = try node.int("offset_group", default: 1)
    if offsetGroup < 1 { throw node.error("attribute 'offset_group' is \(offsetGroup)") }
  }
}

/// `Col2Im`.
public enum Col2ImAttributes {
  /// The window that cut the blocks out of the image.
  public static func window(_ node: Node, image: [Int], block: [Int]) throws(GraphError) -> SlidingWindow {
    if image.count != block.count || image.isEmpty {
      throw node.error("an image of \(image.count) axes does not fit a block of \(block.count)")
    }
    if image.contains(where: { $0 < 0 }) { throw node.error("the image has a negative extent") }
    return try SlidingWindow(node, kernel: block)
  }
}

/// `MaxUnpool`.
public enum MaxUnpoolShape {
  /// The extent that MaxPool with this window had before it gave `extent`; indices refer to it.
  public static func extent(
    _ window: SlidingWindow, _ axis: Int, _ extent: Int, _ node: Node
  ) throws(GraphError) -> Int {
    let (steps, overflow) = (extent - 1).multipliedReportingOverflow(by: window.strides[axis])
    let pads = window.declaredPads[axis] + window.declaredPads[axis + window.spatialRank]
    let (result, sumOverflow) = steps.addingReportingOverflow(window.kernel[axis] - pads)
    if overflow || sumOverflow || result < 0 { throw node.error("extent \(extent) cannot be unpooled") }
    return result
  }
}
