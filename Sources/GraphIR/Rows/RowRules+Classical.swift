/// Operators of ai.onnx.ml.
extension RowRules {
  private static let tables = [
    "LinearClassifier", "LinearRegressor", "SVMClassifier", "SVMRegressor", "TreeEnsemble",
    "TreeEnsembleClassifier", "TreeEnsembleRegressor", "Scaler", "Normalizer", "Imputer",
  ].map { "ai.onnx.ml." + $0 }

  static let classicalRules =
    family(["LabelEncoder", "Binarizer", "CategoryMapper"].map { "ai.onnx.ml." + $0 }) { try broadcast(&$0) }
    .merging(family(tables, table)) { $1 }
    .merging(
      family(["ai.onnx.ml.OneHotEncoder"]) {
        $0.setAll(.rows(axis: try soleRows($0).axis, width: try soleRows($0).width))
      }
    ) { $1 }
    .merging(family(["ai.onnx.ml.ArrayFeatureExtractor"], extractor)) { $1 }
    .merging(family(["ai.onnx.ml.FeatureVectorizer"], vectorizer)) { $1 }

  /// One row of a table for each row of the batch. A vector would be one row by itself.
  private static func table(_ context: inout RowContext) throws {
    if try context.rank(0) < 2 { throw RowMixing("it takes the batch for one row") }
    try leading(&context, rows: [0])
  }

  private static func extractor(_ context: inout RowContext) throws {
    let rows = try soleRows(context)
    if rows.axis == (try context.rank(0)) - 1 { throw RowMixing("it picks along the batch") }
    context.setAll(context.state(0))
  }

  private static func vectorizer(_ context: inout RowContext) throws {
    for input in context.states.indices where try context.rank(input) < 2 {
      throw RowMixing("it takes the batch for one row")
    }
    try leading(&context, rows: Set(context.states.indices))
  }
}
