/// The rules of all operators that can pass rows on.
public enum RowRules {
  static let all: [OperatorName: RowRule] = {
    var rules: [OperatorName: RowRule] = [:]
    for family in [
      elementwise, sizeRules, axisRules, movementRules, indexRules, productRules, windowRules, recurrentRules,
      attentionRules, controlFlowRules, classicalRules, contribRules,
    ] {
      rules.merge(family) { $1 }
    }
    return rules
  }()

  /// Operators that are followed even when their inputs are the same for all batches, as they make or compute sizes.
  static let sizes = Set(sizeRules.keys).union([
    "Concat", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Unsqueeze",
  ])

  static func family(_ names: [String], _ rule: @escaping RowRule) -> [OperatorName: RowRule] {
    Dictionary(uniqueKeysWithValues: names.map { (OperatorName(stringLiteral: $0), rule) })
  }
}
