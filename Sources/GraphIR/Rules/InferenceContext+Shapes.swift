import Tensors

/// What many rules ask of shapes: ranks, axes, broadcasting, sizes that may overflow.
extension InferenceContext {
  // MARK: Types

  /// The element type of input `index`, when known, must be in `allowed`.
  func expect(_ input: Int, _ allowed: ElementSet) throws(GraphError) {
    guard let element = element(input), !allowed.contains(element) else { return }
    throw error("input \(input) is \(element.name); the operator takes \(allowed)")
  }

  /// The one element type that all of `inputs` share, taken from the first for which it is known.
  func commonElement(_ inputs: some Sequence<Int>) throws(GraphError) -> ElementType? {
    var common: ElementType?
    for input in inputs {
      guard let element = element(input) else { continue }
      if let common, common != element {
        throw error("input \(input) is \(element.name) where other inputs are \(common.name)")
      }
      common = element
    }
    return common
  }

  // MARK: Ranks and axes

  /// Input `index` must have `rank` extents, when that is known.
  func expectRank(_ input: Int, _ ranks: ClosedRange<Int>) throws(GraphError) {
    guard let rank = dimensions(input)?.count, !ranks.contains(rank) else { return }
    let wanted =
      ranks.count == 1
      ? "\(ranks.lowerBound)"
      : ranks.upperBound == Int.max
        ? "at least \(ranks.lowerBound)" : "\(ranks.lowerBound) to \(ranks.upperBound)"
    throw error("input \(input) has rank \(rank); the operator takes \(wanted)")
  }

  /// `axis` counted from the front. `upTo` is the largest permitted value: `rank - 1` unless given.
  func resolveAxis(_ axis: Int, rank: Int, upTo: Int? = nil) throws(GraphError) -> Int {
    let last = upTo ?? rank - 1
    let resolved = axis < 0 ? axis &+ last &+ 1 : axis
    if resolved < 0 || resolved > last { throw error("axis \(axis) is out of range for rank \(rank)") }
    return resolved
  }

  /// `axes` counted from the front, in the given order, each at most once.
  func resolveAxes(_ axes: [Int], rank: Int) throws(GraphError) -> [Int] {
    var result: [Int] = []
    var seen: Set<Int> = []
    for axis in axes {
      let resolved = try resolveAxis(axis, rank: rank)
      if !seen.insert(resolved).inserted { throw error("axis \(axis) is named twice") }
      result.append(resolved)
    }
    return result
  }

  // MARK: Extents

  /// The extent of a place where inputs meet that must agree.
  func merged(_ left: Dimension, _ right: Dimension, _ what: String) throws(GraphError) -> Dimension {
    switch (left, right) {
    case (.known(let a), .known(let b)) where a != b:
      throw error("\(what) differ: \(a) and \(b)")
    case (.known, _): return left
    case (_, .known): return right
    case (.symbol, _): return left
    default: return right
    }
  }

  /// What numpy broadcasting gives for `left` and `right`; nil when a rank is unknown.
  func broadcast(_ left: [Dimension]?, _ right: [Dimension]?) throws(GraphError) -> [Dimension]? {
    guard let left, let right else { return nil }
    let rank = max(left.count, right.count)
    var result: [Dimension] = []
    result.reserveCapacity(rank)
    for axis in 0..<rank {
      let a = axis < rank - left.count ? .known(1) : left[axis - (rank - left.count)]
      let b = axis < rank - right.count ? .known(1) : right[axis - (rank - right.count)]
      guard let extent = Self.broadcast(a, b) else {
        throw error("shapes \(text(left)) and \(text(right)) do not broadcast")
      }
      result.append(extent)
    }
    return result
  }

  /// nil when the extents contradict each other.
  static func broadcast(_ a: Dimension, _ b: Dimension) -> Dimension? {
    switch (a, b) {
    case (.known(1), _): return b
    case (_, .known(1)): return a
    case (.known(let x), .known(let y)): return x == y ? a : nil
    // An extent that is not known must be 1 or the known one, so the known one it is.
    case (.known, _): return a
    case (_, .known): return b
    case (.symbol(let x), .symbol(let y)): return x == y ? a : .unknown
    default: return .unknown
    }
  }

  /// The product of extents: known when all are, 0 as soon as one is; a single symbol stays when all others are 1.
  func product(_ dimensions: some Sequence<Dimension>) throws(GraphError) -> Dimension {
    var known = 1
    var open: Dimension?
    var openCount = 0
    for dimension in dimensions {
      if case .known(let extent) = dimension {
        known = try multiply(known, extent)
      } else {
        open = dimension
        openCount += 1
      }
    }
    if known == 0 { return .known(0) }
    guard let open else { return .known(known) }
    return openCount == 1 && known == 1 ? open : .unknown
  }

  func text(_ dimensions: [Dimension]) -> String {
    let parts = dimensions.map { (dimension: Dimension) -> String in dimension.description }
    return "[" + parts.joined(separator: ",") + "]"
  }

  // MARK: Sizes of hostile graphs

  func multiply(_ a: Int, _ b: Int) throws(GraphError) -> Int {
    let (result, overflow) = a.multipliedReportingOverflow(by: b)
    if overflow { throw error("sizes overflow: \(a) x \(b)") }
    return result
  }

  func add(_ a: Int, _ b: Int) throws(GraphError) -> Int {
    let (result, overflow) = a.addingReportingOverflow(b)
    if overflow { throw error("sizes overflow: \(a) + \(b)") }
    return result
  }

  func subtract(_ a: Int, _ b: Int) throws(GraphError) -> Int {
    let (result, overflow) = a.subtractingReportingOverflow(b)
    if overflow { throw error("sizes overflow: \(a) - \(b)") }
    return result
  }
}

extension Dimension: CustomStringConvertible {
  public var description: String {
    switch self {
    case .known(let extent): "\(extent)"
    case .symbol(let name): name
    case .unknown: "?"
    }
  }
}

extension TensorType: CustomStringConvertible {
  /// `float32[batch,3,224,224]`; no brackets when the rank is unknown.
  public var description: String {
    guard let dimensions else { return element.name }
    return element.name + "[" + dimensions.map(\.description).joined(separator: ",") + "]"
  }
}

extension ValueType: CustomStringConvertible {
  public var description: String {
    switch self {
    case .tensor(let type): type.description
    case .sparseTensor(let type): "sparse \(type)"
    case .sequence(let element): "sequence(\(element))"
    case .optional(let element): "optional(\(element))"
    case .map(let key, let value): "map(\(key.name), \(value))"
    case .opaque(let domain, let name): "opaque(\(domain).\(name))"
    }
  }
}
