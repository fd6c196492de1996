import Tensors

/// Domain ai.onnx.ml, versions 1 to 5: what classical machine-learning libraries export. All versions are read
/// in one form, as each only adds attributes; `LabelEncoder` of version 1 is told by its `classes_strings`.
enum ClassicalRules {
  static let all = features + encoders + ClassicalModelRules.all + MapRules.all

  /// What most operators of the domain compute with.
  static let numbers: ElementSet = [.float32, ElementSet(.float64), .int32, .int64]

  static func rule(
    _ type: String, inputs: ClosedRange<Int> = 1...1, outputs: Int = 1, _ attributes: [String],
    infer: @escaping OperatorRule.Inference
  ) -> OperatorRule {
    OperatorRule(
      OperatorName(domain: "ai.onnx.ml", type: type), inputs: inputs, outputs: 1...outputs,
      attributes: attributes, infer: infer)
  }

  private static let features: [OperatorRule] = [
    rule("Scaler", ["offset", "scale"], infer: toFloats),
    rule("Normalizer", ["norm"], infer: toFloats),
    rule("Binarizer", ["threshold"], infer: sameType),
    rule(
      "Imputer",
      ["imputed_value_floats", "imputed_value_int64s", "replaced_value_float", "replaced_value_int64"],
      infer: sameType),
    rule("ArrayFeatureExtractor", inputs: 2...2, []) { context throws(GraphError) in
      try context.expect(1, .int64)
      guard let element = context.element(0) else { return }
      let indices = context.dimensions(1)
      let count = try indices.map { dimensions throws(GraphError) in try context.product(dimensions) }
      let head = context.dimensions(0)?.dropLast()
      context.setOutput(
        0, element, head.map { ($0.isEmpty ? [.known(1)] : Array($0)) + [count ?? .unknown] })
    },
    rule("FeatureVectorizer", inputs: 1...Int.max, ["inputdimensions"]) { context throws(GraphError) in
      let widths = try context.node.ints("inputdimensions") ?? []
      if widths.count != context.node.inputs.count {
        throw context.error("has \(context.node.inputs.count) inputs but \(widths.count) inputdimensions")
      }
      var total = 0
      for (index, width) in widths.enumerated() {
        try context.expect(index, numbers)
        if width < 0 { throw context.error("inputdimensions holds \(width)") }
        total = try context.add(total, width)
      }
      context.setOutput(0, .float32, [rows(context), .known(total)])
    },
  ]

  private static let encoders: [OperatorRule] = [
    rule(
      "LabelEncoder",
      [
        "classes_strings", "default_float", "default_int64", "default_string", "default_tensor",
        "keys_floats", "keys_int64s", "keys_strings", "keys_tensor", "values_floats", "values_int64s",
        "values_strings", "values_tensor",
      ]
    ) { context throws(GraphError) in
      guard let element = context.element(0) else { return }
      let node = context.node
      let values: ElementType?
      if try node.strings("classes_strings") != nil {
        values = element == .string ? .int64 : .string
      } else if let tensor = try node.tensor("values_tensor") {
        values = tensor.type
      } else if try node.ints("values_int64s") != nil {
        values = .int64
      } else if try node.floats("values_floats") != nil {
        values = .float32
      } else {
        values = try node.strings("values_strings") == nil ? nil : .string
      }
      guard let values else { throw context.error("has no values") }
      context.setOutput(0, values, context.dimensions(0))
    },
    rule("CategoryMapper", ["cats_int64s", "cats_strings", "default_int64", "default_string"]) {
      context throws(GraphError) in
      try context.expect(0, [.string, .int64])
      guard let element = context.element(0) else { return }
      context.setOutput(0, element == .string ? .int64 : .string, context.dimensions(0))
    },
    rule("OneHotEncoder", ["cats_int64s", "cats_strings", "zeros"]) { context throws(GraphError) in
      try context.expect(0, numbers.union(.string))
      let strings = try context.node.strings("cats_strings") ?? []
      let integers = try context.node.ints("cats_int64s") ?? []
      if strings.isEmpty == integers.isEmpty {
        throw context.error("needs either string or integer categories")
      }
      let count = max(strings.count, integers.count)
      context.setOutput(0, .float32, context.dimensions(0).map { $0 + [.known(count)] })
    },
  ]

  @Sendable private static func toFloats(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, numbers)
    context.setOutput(0, .float32, context.dimensions(0))
  }

  @Sendable private static func sameType(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, numbers)
    if let element = context.element(0) { context.setOutput(0, element, context.dimensions(0)) }
  }

  /// The number of samples: a tensor of one axis is one sample.
  static func rows(_ context: InferenceContext) -> Dimension {
    guard let dimensions = context.dimensions(0) else { return .unknown }
    return dimensions.count >= 2 ? dimensions[0] : .known(1)
  }
}
