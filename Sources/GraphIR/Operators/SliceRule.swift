import Tensors

enum SliceRule {
  static let rule = OperatorRule("Slice", inputs: 3...5, infer: infer)

  @Sendable private static func infer(_ context: inout InferenceContext) throws(GraphError) {
    for input in 1..<5 { try context.expect(input, .index) }
    guard let type = context.type(0) else { return }
    guard let dimensions = type.dimensions else {
      context.setOutput(0, type.element, nil)
      return
    }
    let starts = context.knownElements(1)
    let ends = context.knownElements(2)
    let axes = try context.integers(3)
    let steps = context.node.hasInput(4) ? context.knownElements(4) : starts?.map { _ in .known(1) }
    guard let starts, let ends, let steps, axes != nil || !context.node.hasInput(3) else {
      context.setOutput(0, type.element, Array(repeating: .unknown, count: dimensions.count))
      return
    }
    let resolved = try context.resolveAxes(axes ?? Array(starts.indices), rank: dimensions.count)
    if starts.count != resolved.count || ends.count != resolved.count || steps.count != resolved.count {
      throw context.error("starts, ends, axes and steps differ in length")
    }
    var result = dimensions
    for (index, axis) in resolved.enumerated() {
      result[axis] = try extent(
        of: dimensions[axis], start: starts[index], end: ends[index], step: steps[index], context)
    }
    context.setOutput(0, type.element, result)
    if dimensions.count == 1, resolved == [0], let part = SliceBounds(known: starts[0], ends[0], steps[0]) {
      context.setElements(0, elements(context, part))
    }
  }

  private static func extent(
    of dimension: Dimension, start: Dimension, end: Dimension, step: Dimension, _ context: InferenceContext
  ) throws(GraphError) -> Dimension {
    if step == .known(0) { throw context.error("a step of 0") }
    if let bounds = SliceBounds(known: start, end, step) {
      if let extent = dimension.extent { return .known(bounds.resolve(extent: extent).count) }
      // From the first to far beyond the last: everything.
      let isWhole = bounds.start == 0 && bounds.step == 1 && bounds.end >= Int(Int32.max)
      return isWhole ? dimension : .unknown
    }
    // `x[:, :length]` with the length of the axis itself.
    if start == .known(0), step == .known(1), end == dimension, end != .unknown { return dimension }
    return .unknown
  }

  private static func elements(_ context: InferenceContext, _ bounds: SliceBounds) -> [Dimension]? {
    guard let values = context.knownElements(0) else { return nil }
    let part = bounds.resolve(extent: values.count)
    return (0..<part.count).map { values[part.first + $0 * part.step] }
  }
}

/// One axis of a `Slice`, as its inputs give it.
public struct SliceBounds: Sendable {
  public let start: Int
  public let end: Int
  /// Not 0.
  public let step: Int

  public init(start: Int, end: Int, step: Int) {
    self.start = start
    self.end = end
    self.step = step
  }

  init?(known start: Dimension, _ end: Dimension, _ step: Dimension) {
    guard let start = start.extent, let end = end.extent, let step = step.extent, step != 0 else {
      return nil
    }
    self.init(start: start, end: end, step: step)
  }

  /// The first element taken, how many, and the distance between them, on an axis of `extent` elements.
  /// Bounds outside the axis are moved to its ends: backwards a start before the axis is its first element.
  public func resolve(extent: Int) -> (first: Int, count: Int, step: Int) {
    let forward = step > 0
    let low = forward ? 0 : -1
    let high = forward ? extent : extent - 1
    func clamp(_ position: Int) -> Int { min(max(position < 0 ? position + extent : position, low), high) }
    let first = forward || extent == 0 ? clamp(start) : max(0, clamp(start))
    let last = clamp(end)
    let distance = forward ? last - first : first - last
    if distance <= 0 { return (0, 0, forward ? 1 : -1) }
    let stride = Int(clamping: step.magnitude)
    let count = (distance - 1) / stride + 1
    // A step beyond the axis takes one element; the given value might overflow in index arithmetic.
    return (first, count, count == 1 ? (forward ? 1 : -1) : step)
  }
}
