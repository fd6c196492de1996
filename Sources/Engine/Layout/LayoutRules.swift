import GraphIR

/// Every operator that can work on another layout, whatever its element type. What is not listed keeps its own.
enum LayoutRules {
  static let all: [OperatorName: LayoutRule] = {
    var rules: [OperatorName: LayoutRule] = [:]
    for name in elementwise { rules[OperatorName(type: name)] = .elementwise }
    for name in reductions { rules[OperatorName(type: name)] = .reduction }
    return rules.merging(others) { $1 }
  }()

  private static let elementwise = [
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitShift", "BitwiseAnd",
    "BitwiseNot", "BitwiseOr", "BitwiseXor", "Cast", "Ceil", "Celu", "Clip", "Cos", "Cosh", "Div", "Elu",
    "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "IsInf",
    "IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg",
    "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin",
    "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Where",
    "Xor",
  ]

  private static let reductions = [
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "ReduceSumSquare",
  ]

  private static let others: [OperatorName: LayoutRule] = [
    "Concat": .axis("axis", default: 0, moves: .all),
    "Split": .axis("axis", default: 0, moves: .these([0])),
    "Softmax": .axis("axis", default: -1, moves: .these([0])),
    "LogSoftmax": .axis("axis", default: -1, moves: .these([0])),
    "Hardmax": .axis("axis", default: -1, moves: .these([0])),
    "QuantizeLinear": .axis("axis", default: 1, moves: .these([0])),
    "DequantizeLinear": .axis("axis", default: 1, moves: .these([0])),
    "Slice": .slice,
    "Pad": .pad,
    "Resize": .resize,
    "Conv": .channelsLast(FusedOperator.convNHWC, moves: .these([0])),
    FusedOperator.conv: .channelsLast(FusedOperator.convNHWC, moves: .these([0])),
    "MaxPool": .channelsLast(FusedOperator.maxPoolNHWC, moves: .these([0])),
    "AveragePool": .channelsLast(FusedOperator.averagePoolNHWC, moves: .these([0])),
    "GlobalMaxPool": .channelsLast(FusedOperator.globalMaxPoolNHWC, moves: .these([0])),
    "GlobalAveragePool": .channelsLast(FusedOperator.globalAveragePoolNHWC, moves: .these([0])),
    "LRN": .channelsLast(FusedOperator.lrnNHWC, moves: .these([0])),
    FusedOperator.quantizedConv: .channelsLast(FusedOperator.quantizedConvNHWC, moves: .these([0])),
    FusedOperator.quantizedAdd: .operands([0, 3]),
    FusedOperator.lookup: .operands([0]),
    FusedOperator.scaleShift: .channelsLast(FusedOperator.scaleShiftNHWC, moves: .these([0])),
  ]

  /// Operators that ask for the layout; all others follow their inputs.
  static let wantChannelsLast: Set<OperatorName> = [
    "Conv", FusedOperator.conv, FusedOperator.quantizedConv,
  ]
}
