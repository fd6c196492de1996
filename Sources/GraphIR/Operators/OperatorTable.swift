/// Every operator that has a rule.
public enum OperatorTable {
  /// The rule for `op`; nil when the operator is unknown.
  public static func rule(for op: OperatorName) -> OperatorRule? { byName[op] }

  public static let all: [OperatorRule] =
    [
      ElementwiseRules.all,
      MatrixRules.all,
      ConvolutionRules.all,
      PoolingRules.all,
      NormalizationRules.all,
      ReductionRules.all,
      ShapeRules.all,
      JoiningRules.all,
      [SliceRule.rule],
      GatherRules.all,
      [ResizeRule.rule],
      GeneratorRules.all,
      QuantizationRules.all,
      ControlFlowRules.all,
      DetectionRules.all,
      SamplingRules.all,
      StringRules.all,
      LossRules.all,
      RecurrentRules.all,
      AttentionRules.all,
      SignalRules.all,
      SequenceRules.all,
      ClassicalRules.all,
      OptimizerRules.all,
      ContribRules.all,
    ].flatMap { $0 }

  private static let byName: [OperatorName: OperatorRule] =
    Dictionary(uniqueKeysWithValues: all.map { ($0.op, $0) })
}
