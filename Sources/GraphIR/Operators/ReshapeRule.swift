import Tensors

/// Reshape: 0 copies an extent of the input, -1 takes what is left.
enum ReshapeRule {
  @Sendable static func infer(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(1, .int64)
    try context.expectRank(1, 1...1)
    let keepsZero = try context.node.flag("allowzero")
    let dimensions = try shape(context, keepsZero: keepsZero)
    if let element = context.element(0) { context.setOutput(0, element, dimensions) }
    if dimensions?.count ?? 2 <= 1 { context.setElements(0, context.knownElements(0)) }
  }

  private static func shape(
    _ context: InferenceContext, keepsZero: Bool
  ) throws(GraphError) -> [Dimension]? {
    guard let wanted = context.knownElements(1) else {
      guard let rank = context.dimensions(1)?.first?.extent, rank >= 0, rank <= TensorType.maximumRank else {
        return nil
      }
      return Array(repeating: .unknown, count: rank)
    }
    if wanted.count > TensorType.maximumRank {
      throw context.error("the shape holds \(wanted.count) extents")
    }
    if keepsZero && wanted.contains(.known(0)) && wanted.contains(.known(-1)) {
      throw context.error("the shape holds 0 and -1, so any extent would do for -1")
    }
    let input = context.dimensions(0)
    var result: [Dimension] = []
    var open: Int?
    for (axis, extent) in wanted.enumerated() {
      switch extent {
      case .known(0) where !keepsZero:
        guard let input else {
          result.append(.unknown)
          continue
        }
        if axis >= input.count {
          throw context.error("the shape copies axis \(axis) of an input of rank \(input.count)")
        }
        result.append(input[axis])
      case .known(-1):
        if open != nil { throw context.error("the shape holds -1 twice") }
        open = axis
        result.append(.unknown)
      case .known(let extent) where extent < 0: throw context.error("the shape holds \(extent)")
      default: result.append(extent)
      }
    }
    guard let input else { return result }
    if let open {
      result[open] = try remainder(input, result, open: open, context)
    } else {
      try checkCount(input, result, context)
    }
    return result
  }

  /// The extent of axis `open`: the input's elements by those of all other axes.
  private static func remainder(
    _ input: [Dimension], _ output: [Dimension], open: Int, _ context: InferenceContext
  ) throws(GraphError) -> Dimension {
    var rest = output
    rest.remove(at: open)
    let above = try Factors(input, context)
    let below = try Factors(rest, context)
    guard let symbols = above.symbols(without: below.symbols), !above.hasUnknown, !below.hasUnknown else {
      return .unknown
    }
    if below.known == 0 {
      if above.known != 0 && symbols.isEmpty {
        throw context.error("the shape divides \(context.text(input)) by an axis without elements")
      }
      // Any extent would do; 0 is what numpy and onnxruntime settle for when the input is empty.
      return above.known == 0 ? .known(0) : .unknown
    }
    if above.known % below.known != 0 {
      if !symbols.isEmpty { return .unknown }
      throw context.error(
        "\(context.text(input)) cannot be reshaped to \(context.text(output)) with one axis open")
    }
    let quotient = above.known / below.known
    if symbols.isEmpty { return .known(quotient) }
    return symbols.count == 1 && quotient == 1 ? .symbol(symbols[0]) : .unknown
  }

  private static func checkCount(
    _ input: [Dimension], _ output: [Dimension], _ context: InferenceContext
  ) throws(GraphError) {
    let above = try Factors(input, context)
    let below = try Factors(output, context)
    guard !above.hasUnknown, !below.hasUnknown, above.symbols.sorted() == below.symbols.sorted() else {
      return
    }
    if above.known != below.known {
      throw context.error("\(context.text(input)) cannot be reshaped to \(context.text(output))")
    }
  }

  /// A product of extents: its number and its symbols.
  private struct Factors {
    var known = 1
    var symbols: [String] = []
    var hasUnknown = false

    init(_ dimensions: [Dimension], _ context: InferenceContext) throws(GraphError) {
      for dimension in dimensions {
        switch dimension {
        case .known(let extent): known = try context.multiply(known, extent)
        case .symbol(let name): symbols.append(name)
        case .unknown: hasUnknown = true
        }
      }
    }

    /// `symbols` less each of `others` once; nil when one of those is missing.
    func symbols(without others: [String]) -> [String]? {
      var rest = symbols
      for name in others {
        guard let position = rest.firstIndex(of: name) else { return nil }
        rest.remove(at: position)
      }
      return rest
    }
  }
}
