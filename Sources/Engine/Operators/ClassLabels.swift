import GraphIR
import Tensors

/// The names of a classifier's classes. Kernels give int64: the label itself, or its place when labels are strings.
struct ClassLabels: Sendable {
  let integers: [Int]
  /// nil: labels are integers.
  let strings: [String]?

  init(_ node: Node, integers name: String) throws {
    if let strings = try node.strings("classlabels_strings"), !strings.isEmpty {
      self.strings = strings
      integers = Array(strings.indices)
    } else {
      strings = nil
      integers = try node.ints(name) ?? []
    }
    if integers.isEmpty { throw OperatorFailure.invalid("class labels are missing") }
  }

  var count: Int { integers.count }

  /// The way in which a classifier runs: a kernel, or one whose labels become strings afterwards.
  static func implementation(
    _ source: OperatorSource, integers name: String,
    _ make: (OperatorSource) throws -> any ShapedOperator
  ) throws -> OperatorImplementation {
    let labels = try ClassLabels(source.node, integers: name)
    guard let strings = labels.strings else { return .shaped(try make(source)) }
    var node = source.node
    node.attributes["classlabels_strings"] = nil
    node.attributes[name] = .ints(labels.integers)
    guard let rule = EngineTable.rule(for: node.op) else {
      throw OperatorFailure.unsupported("\(node.op) has no rule")
    }
    let runner = NodeRunner(
      rule: rule, implementation: .shaped(try make(source)), memoryLimit: source.options.tensorLimit)
    return .dynamic(StringLabelOperator(node: node, runner: runner, labels: strings))
  }
}

/// A classifier with string labels: runs as one with their places for labels.
private struct StringLabelOperator: DynamicOperator {
  let node: Node
  let runner: NodeRunner
  let labels: [String]

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let results = try runner.run(node, inputs, isWeight: inputs.map { _ in false }, team: context.team)
    return try results.enumerated().map { index, value in
      // An omitted output has no value, and nobody looks at what stands in its place.
      guard index == 0, let places = value?.tensor else { return value ?? .optional(nil) }
      let strings = places.array(of: Int.self).map { labels[$0] }
      return .tensor(try Tensor(shape: places.shape, strings: strings))
    }
  }
}
