import GraphIR
import Tensors
import Testing

@testable import Engine

private func ml(_ type: String) -> OperatorName { OperatorName(domain: "ai.onnx.ml", type: type) }

@Suite struct ClassicalOperatorTests {
  @Test func features() throws {
    let x = floats([2, 2], [1, -2, 3, 4])
    #expect(
      try OperatorRunner.run(ml("Scaler"), [x], ["offset": .floats([1, 0]), "scale": .floats([2])])
        == [floats([2, 2], [0, -4, 4, 8])])
    #expect(
      try OperatorRunner.run(ml("Normalizer"), [x], ["norm": .string("L1")])[0].array(of: Float.self)[3]
        == 4.0 / 7)
    #expect(
      try OperatorRunner.run(ml("Binarizer"), [x], ["threshold": .float(1)])
        == [floats([2, 2], [0, 0, 1, 1])])
    #expect(
      try OperatorRunner.run(
        ml("Imputer"), [floats([1, 2], [.nan, 5])],
        ["imputed_value_floats": .floats([7]), "replaced_value_float": .float(.nan)])
        == [floats([1, 2], [7, 5])])
    #expect(
      try OperatorRunner.run(ml("ArrayFeatureExtractor"), [x, ints(1)]) == [floats([2, 1], [-2, 4])])
    #expect(throws: EngineError.self) {
      try OperatorRunner.run(ml("ArrayFeatureExtractor"), [x, ints(2)])
    }
  }

  @Test func labels() throws {
    let keys: Attributes = [
      "keys_int64s": .ints([1, 2]), "values_strings": .strings(["a", "b"]), "default_string": .string("?"),
    ]
    let result = try OperatorRunner.run(ml("LabelEncoder"), [ints(2, 9, 1)], keys)
    #expect(result == [try Tensor(shape: [3], strings: ["b", "?", "a"])])
    let words = try Tensor(shape: [2], strings: ["y", "z"])
    let first = try OperatorRunner.run(
      ml("LabelEncoder"), [words], ["classes_strings": .strings(["x", "y"])])
    #expect(first == [ints(1, -1)])
  }

  @Test func linear() throws {
    let x = floats([2, 2], [1, 2, 3, -1])
    let result = try OperatorRunner.run(
      ml("LinearClassifier"), [x], outputs: 2,
      [
        "coefficients": .floats([1, 0, 0, 1]), "intercepts": .floats([0, 0]),
        "classlabels_ints": .ints([10, 20]),
      ])
    #expect(result == [ints(20, 10), floats([2, 2], [1, 2, 3, -1])])
  }

  /// One tree: x[0] <= 1 ? leaf 1 : leaf 2.
  private static func tree(_ children: [Int] = [1, 2]) -> Attributes {
    [
      "nodes_treeids": .ints([0, 0, 0]), "nodes_nodeids": .ints([0, 1, 2]),
      "nodes_featureids": .ints([0, 0, 0]), "nodes_values": .floats([1, 0, 0]),
      "nodes_modes": .strings(["BRANCH_LEQ", "LEAF", "LEAF"]),
      "nodes_truenodeids": .ints([children[0], 0, 0]), "nodes_falsenodeids": .ints([children[1], 0, 0]),
    ]
  }

  @Test func treeRegressor() throws {
    var attributes = Self.tree()
    attributes["target_treeids"] = .ints([0, 0])
    attributes["target_nodeids"] = .ints([1, 2])
    attributes["target_ids"] = .ints([0, 0])
    attributes["target_weights"] = .floats([5, 7])
    attributes["base_values"] = .floats([0.5])
    let x = floats([3, 1], [1, 2, .nan])
    let result = try OperatorRunner.run(ml("TreeEnsembleRegressor"), [x], attributes)
    #expect(result == [floats([3, 1], [5.5, 7.5, 7.5])])
    attributes["nodes_truenodeids"] = .ints([9, 0, 0])
    #expect(throws: EngineError.self) {
      try OperatorRunner.run(ml("TreeEnsembleRegressor"), [x], attributes)
    }
    attributes["nodes_truenodeids"] = .ints([0, 0, 0])
    #expect(throws: EngineError.self) {
      try OperatorRunner.run(ml("TreeEnsembleRegressor"), [x], attributes)
    }
  }

  @Test func treeClassifier() throws {
    var attributes = Self.tree()
    attributes["class_treeids"] = .ints([0, 0])
    attributes["class_nodeids"] = .ints([1, 2])
    attributes["class_ids"] = .ints([0, 0])
    attributes["class_weights"] = .floats([0.25, 0.75])
    attributes["classlabels_strings"] = .strings(["no", "yes"])
    let result = try OperatorRunner.run(
      ml("TreeEnsembleClassifier"), [floats([2, 1], [0, 3])], outputs: 2, attributes)
    #expect(result[0] == (try Tensor(shape: [2], strings: ["no", "yes"])))
    #expect(result[1] == floats([2, 2], [0.75, 0.25, 0.25, 0.75]))
  }

  @Test func refusedByName() {
    for type in ["ZipMap", "DictVectorizer", "CastMap", "SVMClassifier"] {
      #expect(throws: EngineError.self) { try OperatorRunner.run(ml(type), [floats([1, 1], [1])]) }
    }
  }
}
