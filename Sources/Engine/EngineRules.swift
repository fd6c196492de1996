import GraphIR
import Tensors

/// Operators that only the engine makes, by joining others.
enum FusedOperator {
  static let domain = "ai.adze"

  /// MatMul with a bias for each column (input 2) and an activation.
  static let matMul = OperatorName(domain: domain, type: "MatMul")
  /// Gemm and Conv with an activation.
  static let gemm = OperatorName(domain: domain, type: "Gemm")
  static let conv = OperatorName(domain: domain, type: "Conv")
  /// x, scale, shift: BatchNormalization with constants, and what else is one number for each channel.
  static let scaleShift = OperatorName(domain: domain, type: "ScaleShift")
  /// q, k, v and a mask that broadcasts along all axes: softmax(q kᵀ scale + mask) v, as ai.onnx's Attention.
  static let attention = OperatorName(domain: domain, type: "Attention")
  /// x, residual, scale, bias: LayerNormalization of x + residual; output 1 is the sum.
  static let addLayerNormalization = OperatorName(domain: domain, type: "AddLayerNormalization")
  /// x, w, w_scale, w_zero_point, bias: rows of float32 x are quantized on the way.
  static let dynamicMatMul = OperatorName(domain: domain, type: "DynamicQuantizedMatMul")
  /// Its attribute: not 0 when the rows of each request have a scale of their own.
  static let perRequest = "per_request"
  /// Its attributes when every row has a scale of its own, `max(largest |x| · factor, minimum)`, and all one zero point.
  static let rowFactor = "row_factor"
  static let rowMinimum = "row_minimum"
  static let rowZeroPoint = "row_zero_point"
  /// x, x_scale, x_zero_point, w, w_scale, w_zero_point, bias, y_scale, y_zero_point. Without the last two the
  /// result is float32.
  static let quantizedMatMul = OperatorName(domain: domain, type: "QuantizedMatMul")
  static let quantizedConv = OperatorName(domain: domain, type: "QuantizedConv")
  /// a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point; all but a and b are constants.
  static let quantizedAdd = OperatorName(domain: domain, type: "QuantizedAdd")
  /// x and what each of the 256 bytes becomes.
  static let lookup = OperatorName(domain: domain, type: "Lookup")

  /// Operators on `[batch, d1 …, channels]`, which the layout pass makes. Weights and attributes are those of the
  /// operator without NHWC. The convolution may add a tensor of its output's shape (input 3) before its activation.
  static let convNHWC = OperatorName(domain: domain, type: "ConvNHWC")
  static let maxPoolNHWC = OperatorName(domain: domain, type: "MaxPoolNHWC")
  static let averagePoolNHWC = OperatorName(domain: domain, type: "AveragePoolNHWC")
  static let globalMaxPoolNHWC = OperatorName(domain: domain, type: "GlobalMaxPoolNHWC")
  static let globalAveragePoolNHWC = OperatorName(domain: domain, type: "GlobalAveragePoolNHWC")
  static let lrnNHWC = OperatorName(domain: domain, type: "LRNNHWC")
  static let scaleShiftNHWC = OperatorName(domain: domain, type: "ScaleShiftNHWC")
  static let quantizedConvNHWC = OperatorName(domain: domain, type: "QuantizedConvNHWC")
  /// x, x_scale, x_zero_point, y_scale, y_zero_point
  static let quantizedAveragePoolNHWC = OperatorName(domain: domain, type: "QuantizedAveragePoolNHWC")
  static let quantizedGlobalAveragePoolNHWC = OperatorName(
    domain: domain, type: "QuantizedGlobalAveragePoolNHWC")
  /// Attribute of ConvNHWC: not 0 when its input is `[batch, channels, d1 …]`.
  static let channelsFirst = "x_channels_first"
  /// Attribute of ConvNHWC: the groups by which the channels of its input would have to be shuffled first.
  static let shuffle = "x_shuffle"
  /// com.microsoft.MatMulNBits with an activation; also what DequantizeLinear of a constant and a product become.
  static let blockMatMul = OperatorName(domain: domain, type: "BlockMatMul")
}

extension EngineTable {
  /// The rule of an operator of a model, or of one that fusion makes.
  static func rule(for op: OperatorName) -> OperatorRule? {
    op.domain == FusedOperator.domain ? fusedRules[op] : OperatorTable.rule(for: op)
  }

  private static let fusedRules: [OperatorName: OperatorRule] = {
    let rules = [
      fusedRule(FusedOperator.matMul, like: "MatMul", inputs: 2...3, seen: [0, 1]),
      fusedRule(FusedOperator.gemm, like: "Gemm", inputs: 2...3, seen: [0, 1, 2]),
      fusedRule(FusedOperator.conv, like: "Conv", inputs: 2...3, seen: [0, 1, 2]),
      fusedRule(FusedOperator.scaleShift, like: "Relu", inputs: 3...3, seen: [0]),
      fusedRule(FusedOperator.attention, like: "Attention", inputs: 3...4, seen: [0, 1, 2]),
      addLayerNormalizationRule,
      fusedRule(FusedOperator.dynamicMatMul, like: "MatMulInteger", inputs: 3...5, seen: [0, 1]),
      fusedRule(FusedOperator.quantizedMatMul, like: "MatMulInteger", inputs: 2...9, seen: [0, 3]),
      fusedRule(FusedOperator.quantizedConv, like: "ConvInteger", inputs: 2...9, seen: [0, 3]),
      fusedRule(FusedOperator.quantizedAdd, like: "Identity", inputs: 8...8, seen: [0]),
      fusedRule(FusedOperator.lookup, like: "Identity", inputs: 2...2, seen: [0]),
      channelsLastRule(FusedOperator.quantizedConvNHWC, like: "ConvInteger", inputs: 2...9, seen: [0, 3]),
      quantizedPoolRule(FusedOperator.quantizedAveragePoolNHWC, like: "AveragePool"),
      quantizedPoolRule(FusedOperator.quantizedGlobalAveragePoolNHWC, like: "GlobalAveragePool"),
      channelsLastRule(FusedOperator.convNHWC, like: "Conv", inputs: 2...4, seen: [0, 1, 2]),
      channelsLastRule(FusedOperator.maxPoolNHWC, like: "MaxPool", inputs: 1...1, seen: [0]),
      channelsLastRule(FusedOperator.averagePoolNHWC, like: "AveragePool", inputs: 1...1, seen: [0]),
      channelsLastRule(FusedOperator.globalMaxPoolNHWC, like: "GlobalMaxPool", inputs: 1...1, seen: [0]),
      channelsLastRule(
        FusedOperator.globalAveragePoolNHWC, like: "GlobalAveragePool", inputs: 1...1, seen: [0]),
      channelsLastRule(FusedOperator.lrnNHWC, like: "LRN", inputs: 1...1, seen: [0]),
      channelsLastRule(FusedOperator.scaleShiftNHWC, like: "Relu", inputs: 3...3, seen: [0]),
      fusedRule(
        FusedOperator.blockMatMul, like: "com.microsoft.MatMulNBits", inputs: 3...6, seen: Array(0...5)),
    ].compactMap { $0 }
    return Dictionary(uniqueKeysWithValues: rules.map { ($0.op, $0) })
  }()

  private static let addLayerNormalizationRule = OperatorRule(
    FusedOperator.addLayerNormalization, inputs: 3...4, outputs: 1...2, attributes: ["axis", "epsilon"]
  ) { context throws(GraphError) in
    guard let type = context.valueType(0) else { return }
    context.setOutput(0, type)
    context.setOutput(1, type)
  }

  /// A rule that takes the output's shape from another operator's rule, which sees only the inputs `seen`.
  /// 8-bit products give float32, or the type of input 8, their zero point, when that is there.
  static func fusedRule(
    _ op: OperatorName, like base: OperatorName, inputs: ClosedRange<Int>, seen: [Int]
  ) -> OperatorRule? {
    guard let baseRule = OperatorTable.rule(for: base) else { return nil }
    let extra = [
      Activation.AttributeName.op, Activation.AttributeName.alpha, Activation.AttributeName.beta,
      FusedOperator.perRequest, FusedOperator.rowFactor, FusedOperator.rowMinimum, FusedOperator.rowZeroPoint,
    ]
    let isInteger = base.type.hasSuffix("Integer")
    return OperatorRule(op, inputs: inputs, attributes: baseRule.attributes + extra) {
      context throws(GraphError) in
      var node = context.node
      node.op = base
      node.inputs = seen.map { $0 < node.inputs.count ? node.inputs[$0] : .none }
      for name in extra { node.attributes[name] = nil }
      var types = seen.map { context.valueType($0) }
      if op == FusedOperator.dynamicMatMul {
        types[0] = types[0]?.tensor.map { .tensor(TensorType(.uint8, $0.dimensions)) }
      }
      var inner = InferenceContext(
        node: node, inputTypes: types, constants: seen.map { context.constant($0) })
      try baseRule.infer(&inner)
      guard let type = inner.outputTypes[0] else { return }
      if isInteger, let tensor = type.tensor {
        context.setOutput(0, context.element(8) ?? .float32, tensor.dimensions)
      } else {
        context.setOutput(0, type)
      }
    }
  }
}
