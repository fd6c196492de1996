import Tensors

enum EinsumRule {
  @Sendable static func infer(_ context: inout InferenceContext) throws(GraphError) {
    let equation = try EinsumEquation(context.node)
    if equation.inputs.count != context.node.inputs.count {
      throw context.error(
        "the equation has \(equation.inputs.count) terms for \(context.node.inputs.count) inputs")
    }
    try context.expect(0, .numeric)
    let element = try context.commonElement(0..<context.node.inputs.count)
    let dimensions = try shape(equation, context)
    if let element { context.setOutput(0, element, dimensions) }
  }

  private static func shape(
    _ equation: EinsumEquation, _ context: InferenceContext
  ) throws(GraphError) -> [Dimension]? {
    var extents: [UInt8: Dimension] = [:]
    var ellipsis: [Dimension]? = []
    for (input, term) in equation.inputs.enumerated() {
      guard let dimensions = context.dimensions(input) else {
        if term.hasEllipsis { ellipsis = nil }
        continue
      }
      let named = term.labels.count
      if term.hasEllipsis ? dimensions.count < named : dimensions.count != named {
        throw context.error(
          "input \(input) of rank \(dimensions.count) does not fit its term of the equation")
      }
      let spread = dimensions.count - named
      for (position, label) in term.labels.enumerated() {
        let axis = position < term.ellipsisPosition ? position : position + spread
        try meet(label, dimensions[axis], &extents, context)
      }
      if term.hasEllipsis {
        let middle = Array(dimensions[term.ellipsisPosition..<(term.ellipsisPosition + spread)])
        ellipsis = try context.broadcast(ellipsis, middle)
      }
    }
    let output = equation.output
    if output.hasEllipsis && ellipsis == nil { return nil }
    let labels = output.labels.map { extents[$0] ?? .unknown }
    let split = output.ellipsisPosition
    return Array(labels[..<split]) + (output.hasEllipsis ? ellipsis ?? [] : []) + Array(labels[split...])
  }

  private static func meet(
    _ label: UInt8, _ dimension: Dimension, _ extents: inout [UInt8: Dimension], _ context: InferenceContext
  ) throws(GraphError) {
    guard let earlier = extents[label] else {
      extents[label] = dimension
      return
    }
    guard let extent = InferenceContext.broadcast(earlier, dimension) else {
      let name = String(decoding: [label], as: UTF8.self)
      throw context.error("label '\(name)' stands for \(earlier) and \(dimension)")
    }
    extents[label] = extent
  }
}

/// The parsed `equation` of Einsum, such as `bij,bjk->bik` or `...ij->...ji`.
public struct EinsumEquation: Sendable {
  /// The axes of one tensor: its labels (ASCII letters), and where among them `...` stands.
  public struct Term: Sendable, Equatable {
    public var labels: [UInt8] = []
    /// How many labels stand before the ellipsis; `labels.count` when there is none.
    public var ellipsisPosition = 0
    public var hasEllipsis = false
  }

  public let inputs: [Term]
  public let output: Term

  public init(_ node: Node) throws(GraphError) {
    guard let text = try node.optionalString("equation") else {
      throw node.error("attribute 'equation' is required")
    }
    let characters = text.utf8.filter { $0 != UInt8(ascii: " ") }
    var left = characters[...]
    var right: ArraySlice<UInt8>?
    if let dash = characters.firstIndex(of: UInt8(ascii: "-")) {
      guard characters.dropFirst(dash + 1).first == UInt8(ascii: ">") else {
        throw node.error("equation '\(text)' has '-' without '>'")
      }
      left = characters[..<dash]
      right = characters[(dash + 2)...]
    }
    var terms: [Term] = []
    for part in left.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      terms.append(try Self.term(part, node))
    }
    inputs = terms
    output =
      try right.map { part throws(GraphError) in try Self.term(part, node) } ?? Self.implicitOutput(terms)
    try checkOutput(node)
  }

  private func checkOutput(_ node: Node) throws(GraphError) {
    if Set(output.labels).count != output.labels.count {
      throw node.error("the equation's output names a label twice")
    }
    for label in output.labels where !inputs.contains(where: { $0.labels.contains(label) }) {
      let name = String(decoding: [label], as: UTF8.self)
      throw node.error("the equation's output names '\(name)', which no input has")
    }
    if output.hasEllipsis && !inputs.contains(where: \.hasEllipsis) {
      throw node.error("the equation's output has an ellipsis that no input has")
    }
  }

  private static func term(_ part: ArraySlice<UInt8>, _ node: Node) throws(GraphError) -> Term {
    var term = Term()
    var rest = part
    while let character = rest.first {
      if rest.starts(with: Array("...".utf8)) && !term.hasEllipsis {
        term.hasEllipsis = true
        term.ellipsisPosition = term.labels.count
        rest = rest.dropFirst(3)
      } else if (character | 0x20) >= UInt8(ascii: "a") && (character | 0x20) <= UInt8(ascii: "z") {
        term.labels.append(character)
        rest = rest.dropFirst()
      } else {
        throw node.error("'\(String(decoding: part, as: UTF8.self))' is no term of an equation")
      }
    }
    if !term.hasEllipsis { term.ellipsisPosition = term.labels.count }
    return term
  }

  /// Without `->`: the ellipsis, then all labels that occur once, in alphabetical order.
  private static func implicitOutput(_ inputs: [Term]) -> Term {
    var counts: [UInt8: Int] = [:]
    for label in inputs.flatMap(\.labels) { counts[label, default: 0] += 1 }
    var output = Term()
    output.labels = counts.filter { $0.value == 1 }.keys.sorted()
    output.hasEllipsis = inputs.contains(where: \.hasEllipsis)
    output.ellipsisPosition = output.hasEllipsis ? 0 : output.labels.count
    return output
  }
}
