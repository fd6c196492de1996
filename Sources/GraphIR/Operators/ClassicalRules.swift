import Tensors

/// Domain ai.onnx.ml, versions 1 to 5: what classical machine-learning libraries export. All versions are read
/// in one form, as each only adds attributes; `LabelEncoder` of version 1 is told by its `classes_strings`.
enum ClassicalRules {
  static let all: [OperatorRule] = [
    rule("Scaler", ["offset", "scale"]) { context throws(GraphError) in
      context.setOutput(0, .float32, context.dimensions(0))
    },
    rule("Normalizer", ["norm"]) { context throws(GraphError) in
      context.setOutput(0, .float32, context.dimensions(0))
    },
    rule("Binarizer", ["threshold"]) { context throws(GraphError) in
      if let element = context.element(0) { context.setOutput(0, element, context.dimensions(0)) }
    },
    rule(
      "Imputer",
      ["imputed_value_floats", "imputed_value_int64s", "replaced_value_float", "replaced_value_int64"]
    ) { context throws(GraphError) in
      if let element = context.element(0) { context.setOutput(0, element, context.dimensions(0)) }
    },
    rule("ArrayFeatureExtractor", inputs: 2...2, []) { context throws(GraphError) in
      try context.expect(1, .int64)
      guard let element = context.element(0) else { return }
      let count = context.dimensions(1)?.last ?? .unknown
      let head = context.dimensions(0)?.dropLast()
      context.setOutput(0, element, head.map { ($0.isEmpty ? [.known(1)] : Array($0)) + [count] })
    },
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
    rule("LinearRegressor", ["coefficients", "intercepts", "post_transform", "targets"]) {
      context throws(GraphError) in
      try scores(&context, columns: try context.node.int("targets", default: 1))
    },
    rule(
      "LinearClassifier", outputs: 2,
      [
        "classlabels_ints", "classlabels_strings", "coefficients", "intercepts", "multi_class",
        "post_transform",
      ]
    ) { context throws(GraphError) in try classes(&context, "classlabels_ints") },
    rule(
      "TreeEnsembleClassifier", outputs: 2,
      treeNodes + [
        "class_ids", "class_nodeids", "class_treeids", "class_weights", "class_weights_as_tensor",
        "classlabels_int64s", "classlabels_strings",
      ]
    ) { context throws(GraphError) in try classes(&context, "classlabels_int64s") },
    rule(
      "TreeEnsembleRegressor",
      treeNodes + [
        "aggregate_function", "n_targets", "target_ids", "target_nodeids", "target_treeids", "target_weights",
        "target_weights_as_tensor",
      ]
    ) { context throws(GraphError) in
      try scores(&context, columns: try context.node.int("n_targets", default: 1))
    },
    rule(
      "TreeEnsemble",
      [
        "aggregate_function", "leaf_targetids", "leaf_weights", "membership_values", "n_targets",
        "nodes_falseleafs", "nodes_falsenodeids", "nodes_featureids", "nodes_hitrates",
        "nodes_missing_value_tracks_true", "nodes_modes", "nodes_splits", "nodes_trueleafs",
        "nodes_truenodeids", "post_transform", "tree_roots",
      ]
    ) { context throws(GraphError) in
      try scores(&context, columns: try context.node.int("n_targets", default: 1))
      if let element = context.element(0) {
        context.setOutput(0, element, context.outputTypes[0]?.tensor?.dimensions)
      }
    },
  ]

  private static let treeNodes = [
    "base_values", "base_values_as_tensor", "nodes_falsenodeids", "nodes_featureids", "nodes_hitrates",
    "nodes_hitrates_as_tensor", "nodes_missing_value_tracks_true", "nodes_modes", "nodes_nodeids",
    "nodes_treeids", "nodes_truenodeids", "nodes_values", "nodes_values_as_tensor", "post_transform",
  ]

  private static func rule(
    _ type: String, inputs: ClosedRange<Int> = 1...1, outputs: Int = 1, _ attributes: [String],
    infer: @escaping OperatorRule.Inference
  ) -> OperatorRule {
    OperatorRule(
      OperatorName(domain: "ai.onnx.ml", type: type), inputs: inputs, outputs: 1...outputs,
      attributes: attributes, infer: infer)
  }

  private static func scores(_ context: inout InferenceContext, columns: Int) throws(GraphError) {
    if columns < 1 { throw context.error("\(columns) targets are not possible") }
    try context.expectRank(0, 1...2)
    context.setOutput(0, .float32, [rows(context), .known(columns)])
  }

  private static func classes(_ context: inout InferenceContext, _ integers: String) throws(GraphError) {
    try context.expectRank(0, 1...2)
    let labels = try context.node.strings("classlabels_strings") ?? []
    let numbers = try context.node.ints(integers) ?? []
    if labels.isEmpty == numbers.isEmpty {
      throw context.error("needs either string or integer class labels")
    }
    context.setOutput(0, labels.isEmpty ? .int64 : .string, [rows(context)])
    context.setOutput(1, .float32, [rows(context), .known(max(labels.count, numbers.count))])
  }

  private static func rows(_ context: InferenceContext) -> Dimension {
    guard let dimensions = context.dimensions(0) else { return .unknown }
    return dimensions.count == 2 ? dimensions[0] : .known(1)
  }
}
