import Tensors

/// Operators that join tensors, cut them, or repeat them.
enum JoiningRules {
  static let all: [OperatorRule] = [
    OperatorRule("Concat", inputs: 1...Int.max, attributes: ["axis"], infer: inferConcat),
    OperatorRule(
      "Split", inputs: 1...2, outputs: 1...Int.max, attributes: ["axis", "num_outputs"], infer: inferSplit),
    OperatorRule("Expand", inputs: 2...2, infer: inferExpand),
    OperatorRule("Tile", inputs: 2...2, infer: inferTile),
    OperatorRule("Pad", inputs: 2...4, attributes: ["mode"], infer: inferPad),
    OperatorRule("DepthToSpace", inputs: 1...1, attributes: ["blocksize", "mode"], infer: inferDepthToSpace),
    OperatorRule("SpaceToDepth", inputs: 1...1, attributes: ["blocksize"], infer: inferSpaceToDepth),
    OperatorRule("Trilu", inputs: 1...2, attributes: ["upper"], infer: inferTrilu),
    OperatorRule(
      "ReverseSequence", inputs: 2...2, attributes: ["batch_axis", "time_axis"], infer: inferReverse),
    OperatorRule("CenterCropPad", inputs: 2...2, attributes: ["axes"], infer: inferCenterCropPad),
  ]

  @Sendable private static func inferConcat(_ context: inout InferenceContext) throws(GraphError) {
    let count = context.node.inputs.count
    let axis = try context.node.requiredInt("axis")
    guard let element = try context.commonElement(0..<count) else { return }
    var result: [Dimension]?
    for input in 0..<count {
      guard let dimensions = context.dimensions(input) else { continue }
      guard let earlier = result else {
        result = dimensions
        continue
      }
      if dimensions.count != earlier.count {
        throw context.error("inputs of rank \(earlier.count) and \(dimensions.count) cannot be joined")
      }
      let position = try context.resolveAxis(axis, rank: dimensions.count)
      for other in dimensions.indices where other != position {
        result?[other] = try context.merged(earlier[other], dimensions[other], "the extents of axis \(other)")
      }
    }
    if let rank = result?.count {
      let position = try context.resolveAxis(axis, rank: rank)
      result?[position] = try joined(context, axis: position)
    }
    context.setOutput(0, element, result)
    context.setElements(0, elements(context))
  }

  /// The sum of the inputs' extents along `axis`.
  private static func joined(_ context: InferenceContext, axis: Int) throws(GraphError) -> Dimension {
    var total = 0
    var open: Dimension?
    for input in 0..<context.node.inputs.count {
      guard let dimension = context.dimensions(input)?[axis] else { return .unknown }
      if case .known(let extent) = dimension {
        total = try context.add(total, extent)
      } else if open == nil {
        open = dimension
      } else {
        return .unknown
      }
    }
    guard let open else { return .known(total) }
    return total == 0 ? open : .unknown
  }

  private static func elements(_ context: InferenceContext) -> [Dimension]? {
    var result: [Dimension] = []
    for input in 0..<context.node.inputs.count {
      guard context.dimensions(input)?.count == 1 else { return nil }
      if let known = context.knownElements(input) {
        result += known
      } else if let count = context.dimensions(input)?[0].extent, count <= SizeArithmetic.maximumCount {
        result += Array(repeating: .unknown, count: count)
      } else {
        return nil
      }
      if result.count > SizeArithmetic.maximumCount { return nil }
    }
    return result
  }

  @Sendable private static func inferSplit(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try SplitAttributes(context.node)
    guard let type = context.type(0) else { return }
    let count = context.node.outputs.count
    guard let dimensions = type.dimensions else {
      for output in 0..<count { context.setOutput(output, type.element, nil) }
      return
    }
    let axis = try context.resolveAxis(attributes.axis, rank: dimensions.count)
    var parts: [Int]?
    if !context.node.hasInput(1) {
      parts = dimensions[axis].extent.map { attributes.parts(of: $0) }
    } else if let sizes = try context.integers(1) {
      parts = sizes
      try attributes.check(sizes, extent: dimensions[axis].extent)
    }
    for output in 0..<count {
      var result = dimensions
      result[axis] = parts.map { .known($0[output]) } ?? (count == 1 ? dimensions[axis] : .unknown)
      context.setOutput(output, type.element, result)
    }
  }

  @Sendable private static func inferExpand(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(1, .int64)
    guard let type = context.type(0) else { return }
    var target = context.knownElements(1)
    if target == nil, let rank = context.dimensions(1)?.first?.extent, rank <= TensorType.maximumRank {
      target = Array(repeating: .unknown, count: rank)
    }
    if let negative = target?.compactMap(\.extent).first(where: { $0 < 0 }) {
      throw context.error("the shape holds \(negative)")
    }
    context.setOutput(0, type.element, try context.broadcast(type.dimensions, target))
  }

  @Sendable private static func inferTile(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(1, .int64)
    guard let type = context.type(0) else { return }
    guard var result = type.dimensions else {
      context.setOutput(0, type.element, nil)
      return
    }
    let repeats = context.knownElements(1) ?? Array(repeating: .unknown, count: result.count)
    if repeats.count != result.count {
      throw context.error("\(repeats.count) repeats for an input of rank \(result.count)")
    }
    for axis in result.indices {
      if case .known(let count) = repeats[axis], count < 0 {
        throw context.error("repeat \(count) is negative")
      }
      result[axis] = try context.product([result[axis], repeats[axis]])
    }
    context.setOutput(0, type.element, result)
  }

  @Sendable private static func inferPad(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try PadAttributes(context.node)
    try context.expect(1, .int64)
    _ = try context.commonElement([0, 2])
    guard let type = context.type(0) else { return }
    guard var result = type.dimensions else {
      context.setOutput(0, type.element, nil)
      return
    }
    let axes = try context.integers(3)
    guard let pads = try context.integers(1), axes != nil || !context.node.hasInput(3) else {
      context.setOutput(0, type.element, Array(repeating: .unknown, count: result.count))
      return
    }
    let resolved = try attributes.resolve(pads: pads, axes: axes, rank: result.count)
    for axis in result.indices {
      let (begin, end) = (resolved[axis], resolved[axis + result.count])
      if begin == 0 && end == 0 { continue }
      guard let extent = result[axis].extent else {
        result[axis] = .unknown
        continue
      }
      result[axis] = .known(try context.add(extent, try context.add(begin, end)))
    }
    context.setOutput(0, type.element, result)
  }

  @Sendable private static func inferDepthToSpace(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try DepthSpaceAttributes(context.node)
    try context.expectRank(0, 4...4)
    guard let type = context.type(0) else { return }
    let block = attributes.blockSize
    var result = type.dimensions
    if let dimensions = type.dimensions {
      if let channels = dimensions[1].extent {
        let area = try context.multiply(block, block)
        if channels % area != 0 { throw context.error("\(channels) channels are no multiple of \(area)") }
        result?[1] = .known(channels / area)
      } else {
        result?[1] = block == 1 ? dimensions[1] : .unknown
      }
      for axis in 2..<4 { result?[axis] = try context.product([dimensions[axis], .known(block)]) }
    }
    context.setOutput(0, type.element, result)
  }

  @Sendable private static func inferSpaceToDepth(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try DepthSpaceAttributes(context.node)
    try context.expectRank(0, 4...4)
    guard let type = context.type(0) else { return }
    let block = attributes.blockSize
    var result = type.dimensions
    if let dimensions = type.dimensions {
      result?[1] = try context.product([dimensions[1], .known(try context.multiply(block, block))])
      for axis in 2..<4 {
        if let extent = dimensions[axis].extent {
          if extent % block != 0 {
            throw context.error("extent \(extent) is no multiple of the block \(block)")
          }
          result?[axis] = .known(extent / block)
        } else {
          result?[axis] = block == 1 ? dimensions[axis] : .unknown
        }
      }
    }
    context.setOutput(0, type.element, result)
  }

  @Sendable private static func inferTrilu(_ context: inout InferenceContext) throws(GraphError) {
    _ = try context.node.flag("upper", default: true)
    try context.expect(1, .int64)
    try context.expectRank(0, 2...Int.max)
    context.copyType()
  }

  @Sendable private static func inferReverse(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try ReverseSequenceAttributes(context.node)
    try context.expect(1, .int64)
    try context.expectRank(0, 2...Int.max)
    try context.expectRank(1, 1...1)
    if let dimensions = context.dimensions(0), let lengths = context.dimensions(1) {
      _ = try context.merged(dimensions[attributes.batchAxis], lengths[0], "the batch and the lengths")
    }
    context.copyType()
  }

  @Sendable private static func inferCenterCropPad(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(1, .index)
    guard let type = context.type(0) else { return }
    guard var result = type.dimensions else {
      context.setOutput(0, type.element, nil)
      return
    }
    let axes = try context.resolveAxes(
      try context.node.ints("axes") ?? Array(result.indices), rank: result.count)
    let wanted = context.knownElements(1) ?? Array(repeating: .unknown, count: axes.count)
    if wanted.count != axes.count { throw context.error("\(wanted.count) extents for \(axes.count) axes") }
    for (axis, extent) in zip(axes, wanted) { result[axis] = extent }
    context.setOutput(0, type.element, result)
  }
}

/// `Split`.
public struct SplitAttributes: Sendable {
  public let axis: Int
  /// How many near-equal parts, when input 1 does not give their extents.
  public let partCount: Int
  private let node: Node

  public init(_ node: Node) throws(GraphError) {
    axis = try node.int("axis", default: 0)
    partCount = try node.int("num_outputs", default: node.outputs.count)
    if partCount != node.outputs.count {
      throw node.error("attribute 'num_outputs' is \(partCount) for \(node.outputs.count) outputs")
    }
    self.node = node
  }

  /// The extents of `partCount` parts: equal, but for the last ones when they do not divide `extent`.
  public func parts(of extent: Int) -> [Int] {
    let chunk = extent / partCount + (extent % partCount == 0 ? 0 : 1)
    var rest = extent
    return (0..<partCount).map { _ in
      let part = min(chunk, rest)
      rest -= part
      return part
    }
  }

  /// The extents that input 1 gives must fit the outputs and, when it is known, the axis.
  public func check(_ parts: [Int], extent: Int?) throws(GraphError) {
    if parts.count != node.outputs.count {
      throw node.error("\(parts.count) extents for \(node.outputs.count) outputs")
    }
    var rest = extent ?? Int.max
    for part in parts {
      if part < 0 || part > rest { throw node.error("the parts \(parts) do not fit the axis") }
      rest -= part
    }
    if extent != nil && rest != 0 { throw node.error("the parts \(parts) do not fill the axis") }
  }
}

/// `Pad`.
public struct PadAttributes: Sendable {
  public enum Mode: String, CaseIterable, Sendable { case constant, reflect, edge, wrap }
  public let mode: Mode
  private let node: Node

  public init(_ node: Node) throws(GraphError) {
    mode = try node.choice("mode", default: .constant)
    self.node = node
  }

  /// Begins then ends for every axis; negative values cut.
  /// - Parameters:
  ///   - pads: the elements of input 1.
  ///   - axes: the elements of input 3; nil when it is omitted.
  public func resolve(pads: [Int], axes: [Int]?, rank: Int) throws(GraphError) -> [Int] {
    let axes = axes ?? Array(0..<rank)
    if pads.count != 2 * axes.count { throw node.error("\(pads.count) pads for \(axes.count) axes") }
    var result = Array(repeating: 0, count: 2 * rank)
    var seen: Set<Int> = []
    for (index, axis) in axes.enumerated() {
      let position = axis < 0 ? axis &+ rank : axis
      guard (0..<rank).contains(position), seen.insert(position).inserted else {
        throw node.error("axis \(axis) is out of range for rank \(rank) or named twice")
      }
      result[position] = pads[index]
      result[position + rank] = pads[index + axes.count]
    }
    return result
  }
}

/// `DepthToSpace` and `SpaceToDepth`.
public struct DepthSpaceAttributes: Sendable {
  /// Depth-column-row or column-row-depth: how DepthToSpace reads the channels.
  public enum Mode: String, CaseIterable, Sendable { case DCR, CRD }
  public let blockSize: Int
  public let mode: Mode

  public init(_ node: Node) throws(GraphError) {
    blockSize = try node.requiredInt("blocksize")
    mode = try node.choice("mode", default: .DCR)
    if blockSize < 1 { throw node.error("attribute 'blocksize' is \(blockSize)") }
  }
}

/// `ReverseSequence`.
public struct ReverseSequenceAttributes: Sendable {
  public let batchAxis: Int
  public let timeAxis: Int

  public init(_ node: Node) throws(GraphError) {
    batchAxis = try node.int("batch_axis", default: 1)
    timeAxis = try node.int("time_axis", default: 0)
    if Set([batchAxis, timeAxis]) != [0, 1] {
      throw node.error("batch_axis and time_axis must be 0 and 1, or 1 and 0")
    }
  }
}
