import Tensors

/// The models of domain ai.onnx.ml: linear ones, support vector machines, and forests of decision trees.
enum ClassicalModelRules {
  static let all: [OperatorRule] = [
    ClassicalRules.rule("LinearRegressor", ["coefficients", "intercepts", "post_transform", "targets"]) {
      context throws(GraphError) in
      try scores(&context, columns: try context.node.int("targets", default: 1))
    },
    ClassicalRules.rule(
      "LinearClassifier", outputs: 2,
      [
        "classlabels_ints", "classlabels_strings", "coefficients", "intercepts", "multi_class",
        "post_transform",
      ]
    ) { context throws(GraphError) in try classes(&context, "classlabels_ints") { _, labels in labels } },
    ClassicalRules.rule("SVMRegressor", machine + ["n_supports", "one_class"]) {
      context throws(GraphError) in try scores(&context, columns: 1)
    },
    ClassicalRules.rule(
      "SVMClassifier", outputs: 2,
      machine + ["classlabels_ints", "classlabels_strings", "prob_a", "prob_b", "vectors_per_class"]
    ) { context throws(GraphError) in
      try classes(&context, "classlabels_ints") { context, labels throws(GraphError) in
        let vectors = try context.node.ints("vectors_per_class") ?? []
        let probabilities = try context.node.floats("prob_a") ?? []
        if vectors.allSatisfy({ $0 == 0 }) || !probabilities.isEmpty { return labels }
        // Without probabilities there is one score for each pair of classes, and two for the only pair.
        return labels > 2 ? try context.multiply(labels, labels - 1) / 2 : 2
      }
    },
    ClassicalRules.rule(
      "TreeEnsembleClassifier", outputs: 2,
      treeNodes + [
        "class_ids", "class_nodeids", "class_treeids", "class_weights", "class_weights_as_tensor",
        "classlabels_int64s", "classlabels_strings",
      ]
    ) { context throws(GraphError) in try classes(&context, "classlabels_int64s") { _, labels in labels } },
    ClassicalRules.rule(
      "TreeEnsembleRegressor",
      treeNodes + [
        "aggregate_function", "n_targets", "target_ids", "target_nodeids", "target_treeids", "target_weights",
        "target_weights_as_tensor",
      ]
    ) { context throws(GraphError) in
      try scores(&context, columns: try context.node.int("n_targets", default: 1))
    },
    ClassicalRules.rule(
      "TreeEnsemble",
      [
        "aggregate_function", "leaf_targetids", "leaf_weights", "membership_values", "n_targets",
        "nodes_falseleafs", "nodes_falsenodeids", "nodes_featureids", "nodes_hitrates",
        "nodes_missing_value_tracks_true", "nodes_modes", "nodes_splits", "nodes_trueleafs",
        "nodes_truenodeids", "post_transform", "tree_roots",
      ]
    ) { context throws(GraphError) in
      try scores(
        &context, columns: try context.node.int("n_targets", default: 1), element: context.element(0),
        allowed: .float)
    },
  ]

  private static let machine = [
    "coefficients", "kernel_params", "kernel_type", "post_transform", "rho", "support_vectors",
  ]

  private static let treeNodes = [
    "base_values", "base_values_as_tensor", "nodes_falsenodeids", "nodes_featureids", "nodes_hitrates",
    "nodes_hitrates_as_tensor", "nodes_missing_value_tracks_true", "nodes_modes", "nodes_nodeids",
    "nodes_treeids", "nodes_truenodeids", "nodes_values", "nodes_values_as_tensor", "post_transform",
  ]

  private static func scores(
    _ context: inout InferenceContext, columns: Int, element: ElementType? = .float32,
    allowed: ElementSet = ClassicalRules.numbers
  ) throws(GraphError) {
    if columns < 1 { throw context.error("\(columns) targets are not possible") }
    try context.expect(0, allowed)
    try context.expectRank(0, 1...2)
    guard let element else { return }
    context.setOutput(0, element, [ClassicalRules.rows(context), .known(columns)])
  }

  /// A label and a row of scores for each sample.
  private static func classes(
    _ context: inout InferenceContext, _ integers: String,
    columns: (InferenceContext, Int) throws(GraphError) -> Int
  ) throws(GraphError) {
    try context.expect(0, ClassicalRules.numbers)
    try context.expectRank(0, 1...2)
    let labels = try context.node.strings("classlabels_strings") ?? []
    let numbers = try context.node.ints(integers) ?? []
    if labels.isEmpty == numbers.isEmpty {
      throw context.error("needs either string or integer class labels")
    }
    let width = try columns(context, max(labels.count, numbers.count))
    context.setOutput(0, labels.isEmpty ? .int64 : .string, [ClassicalRules.rows(context)])
    context.setOutput(1, .float32, [ClassicalRules.rows(context), .known(width)])
  }
}
