import Tensors

/// Follows sizes through the small integer computations that exporters put before a Reshape or Expand, so
/// that `Shape -> Gather -> Mul -> Concat` still gives symbolic extents.
enum SizeArithmetic {
  /// Longer vectors are data, not sizes.
  static let maximumCount = 64

  /// The elements of Add, Sub, Mul or Div of two size vectors; nil when one is not known.
  static func combine(_ context: InferenceContext) -> [Dimension]? {
    guard let type = context.element(0), type == .int64 || type == .int32,
      let left = context.knownElements(0), let right = context.knownElements(1)
    else { return nil }
    let count = max(left.count, right.count)
    if count > maximumCount || (left.count != count && left.count != 1)
      || (right.count != count && right.count != 1)
    {
      return nil
    }
    return (0..<count).map { index in
      combine(
        context.node.op.type, left[left.count == 1 ? 0 : index], right[right.count == 1 ? 0 : index])
    }
  }

  private static func combine(_ op: String, _ left: Dimension, _ right: Dimension) -> Dimension {
    switch (op, left, right) {
    case (_, .known(let a), .known(let b)): return compute(op, a, b).map(Dimension.known) ?? .unknown
    case ("Add", .known(0), _), ("Mul", .known(1), _): return right
    case ("Add", _, .known(0)), ("Sub", _, .known(0)), ("Mul", _, .known(1)), ("Div", _, .known(1)):
      return left
    default: return .unknown
    }
  }

  private static func compute(_ op: String, _ a: Int, _ b: Int) -> Int? {
    let (value, overflow) =
      switch op {
      case "Add": a.addingReportingOverflow(b)
      case "Sub": a.subtractingReportingOverflow(b)
      case "Mul": a.multipliedReportingOverflow(by: b)
      default: a.dividedReportingOverflow(by: b)
      }
    return overflow ? nil : value
  }

  /// The elements of Where on size vectors, when its condition is constant; nil otherwise.
  static func select(_ context: InferenceContext) -> [Dimension]? {
    guard let condition = context.constant(0), condition.type == .bool,
      let yes = context.knownElements(1), let no = context.knownElements(2)
    else { return nil }
    let choices = condition.array(of: Bool.self)
    let count = max(choices.count, yes.count, no.count)
    let fits = { (size: Int) in size == count || size == 1 }
    if count > maximumCount || !fits(choices.count) || !fits(yes.count) || !fits(no.count) { return nil }
    return (0..<count).map { index in
      choices[choices.count == 1 ? 0 : index]
        ? yes[yes.count == 1 ? 0 : index] : no[no.count == 1 ? 0 : index]
    }
  }
}
