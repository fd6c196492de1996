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

  /// What onnxruntime 1.31 gives for one score of two classes.
  @Test(
    arguments: [
      ("NONE", [0.25, 0.75], [0.75, 0.25, 0.25, 0.75], [10, 20]),
      ("LOGISTIC", [0.25, 0.75], [0.43782347, 0.56217653, 0.32082129, 0.67917871], [10, 20]),
      ("SOFTMAX", [-0.25, 0.75], [0.25, -0.25, -0.75, 0.75], [10, 20]),
      ("LOGISTIC", [-0.25, 0.75], [0.56217653, 0.43782347, 0.32082129, 0.67917871], [10, 20]),
    ] as [(String, [Float], [Float], [Int])])
  func oneScoreForTwoClasses(_ transform: String, _ weights: [Float], _ scores: [Float], _ labels: [Int])
    throws
  {
    var attributes = Self.tree()
    attributes["class_treeids"] = .ints([0, 0])
    attributes["class_nodeids"] = .ints([1, 2])
    attributes["class_ids"] = .ints([0, 0])
    attributes["class_weights"] = .floats(weights)
    attributes["classlabels_int64s"] = .ints([10, 20])
    attributes["post_transform"] = .string(transform)
    let result = try OperatorRunner.run(
      ml("TreeEnsembleClassifier"), [floats([2, 1], [0, 3])], outputs: 2, attributes)
    #expect(result[0] == ints([2], labels))
    for (actual, expected) in zip(result[1].array(of: Float.self), scores) {
      #expect(abs(actual - expected) < 1e-6)
    }
  }

  @Test func encoders() throws {
    let words = try Tensor(shape: [3], strings: ["b", "x", "a"])
    let categories: Attributes = ["cats_strings": .strings(["a", "b"])]
    #expect(
      try OperatorRunner.run(ml("OneHotEncoder"), [words], categories)
        == [floats([3, 2], [0, 1, 0, 0, 1, 0])])
    #expect(
      try OperatorRunner.run(ml("OneHotEncoder"), [ints(7, 5)], ["cats_int64s": .ints([5, 6, 7])])
        == [floats([2, 3], [0, 0, 1, 1, 0, 0])])
    #expect(throws: EngineError.self) {
      try OperatorRunner.run(
        ml("OneHotEncoder"), [ints(9)], ["cats_int64s": .ints([5]), "zeros": .int(0)])
    }
    let pairs: Attributes = [
      "cats_strings": .strings(["a", "b"]), "cats_int64s": .ints([3, 4]), "default_int64": .int(-7),
    ]
    #expect(try OperatorRunner.run(ml("CategoryMapper"), [words], pairs) == [ints(4, -7, 3)])
    #expect(
      try OperatorRunner.run(ml("CategoryMapper"), [ints(4, 9)], pairs)
        == [try Tensor(shape: [2], strings: ["b", "_Unused"])])
    #expect(
      try OperatorRunner.run(
        ml("FeatureVectorizer"), [floats([2, 1], [1, 2]), ints([2, 3], [3, 4, 5, 6, 7, 8])],
        ["inputdimensions": .ints([2, 2])]) == [floats([2, 4], [1, 0, 3, 4, 2, 0, 6, 7])])
  }

  /// The same sample gives the same bits whatever it is run with, and on however many threads.
  @Test(arguments: [1, 7, 8, 9, 63, 64, 65, 500], [1, 3])
  func forestRows(_ rows: Int, _ threads: Int) throws {
    let attributes = RandomForest.attributes(trees: 19, depth: 5, features: 4)
    var numbers = NumberSequence(seed: 3)
    let x = try numbers.tensor([rows, 4])
    let together = try OperatorRunner.run(
      ml("TreeEnsembleRegressor"), [x], attributes, threads: threads)[0].array(of: Float.self)
    let values = x.array(of: Float.self)
    for row in stride(from: 0, to: rows, by: max(1, rows / 9)) {
      let sample = Array(values[row * 4..<(row + 1) * 4])
      #expect(together[row] == RandomForest.reference(attributes, sample))
      let alone = try OperatorRunner.run(
        ml("TreeEnsembleRegressor"), [floats([1, 4], sample)], attributes)[0]
      #expect(alone == floats([1, 1], [together[row]]))
    }
  }

  @Test func refusedTrees() {
    var attributes = RandomForest.attributes(trees: 1, depth: 2, features: 9)
    #expect(throws: EngineError.self) {
      try OperatorRunner.run(ml("TreeEnsembleRegressor"), [floats([1, 2], [1, 2])], attributes)
    }
    attributes["nodes_featureids"] = .ints([-1, 0, 0, 0, 0, 0, 0])
    #expect(throws: EngineError.self) {
      try OperatorRunner.run(
        ml("TreeEnsembleRegressor"), [floats([1, 9], Array(repeating: 0, count: 9))], attributes)
    }
  }
}

/// Full trees with random thresholds, and a plain way down them.
private enum RandomForest {
  static func attributes(trees: Int, depth: Int, features: Int) -> Attributes {
    let inner = 1 << depth - 1
    let count = 2 * inner + 1
    var numbers = NumberSequence(seed: 11)
    let ids = (0..<trees).flatMap { tree in Array(repeating: tree, count: count) }
    let places = (0..<trees).flatMap { _ in Array(0..<count) }
    func each<Element>(_ make: (Int) -> Element) -> [Element] { places.map(make) }
    return [
      "nodes_treeids": .ints(ids), "nodes_nodeids": .ints(places),
      "nodes_featureids": .ints(each { $0 < inner ? $0 % features : 0 }),
      "nodes_values": .floats(each { _ in numbers.next() }),
      "nodes_modes": .strings(each { $0 < inner ? "BRANCH_LEQ" : "LEAF" }),
      "nodes_truenodeids": .ints(each { $0 < inner ? 2 * $0 + 1 : 0 }),
      "nodes_falsenodeids": .ints(each { $0 < inner ? 2 * $0 + 2 : 0 }),
      "target_treeids": .ints(ids.indices.filter { places[$0] >= inner }.map { ids[$0] }),
      "target_nodeids": .ints(places.filter { $0 >= inner }),
      "target_ids": .ints(places.filter { $0 >= inner }.map { _ in 0 }),
      "target_weights": .floats(places.filter { $0 >= inner }.map { _ in numbers.next() }),
    ]
  }

  static func reference(_ attributes: Attributes, _ sample: [Float]) -> Float {
    guard case .ints(let trees)? = attributes["nodes_treeids"],
      case .ints(let features)? = attributes["nodes_featureids"],
      case .floats(let thresholds)? = attributes["nodes_values"],
      case .floats(let weights)? = attributes["target_weights"], let last = trees.last
    else { return .nan }
    let count = trees.count / (last + 1)
    let inner = count / 2
    var sum: Float = 0
    for tree in 0...last {
      var place = 0
      while place < inner {
        let index = tree * count + place
        place = sample[features[index]] <= thresholds[index] ? 2 * place + 1 : 2 * place + 2
      }
      sum += weights[tree * (inner + 1) + place - inner]
    }
    return sum
  }
}
