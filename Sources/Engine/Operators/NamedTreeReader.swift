import GraphIR
import Tensors

/// Reads the forest of `TreeEnsembleClassifier` and `TreeEnsembleRegressor`: nodes named by tree and number.
struct NamedTreeReader {
  private struct Key: Hashable { let tree, node: Int }

  let node: Node

  /// - Parameter prefix: `class` or `target`.
  func read(_ prefix: String, targets: Int) throws -> TreeList {
    let trees = try integers("nodes_treeids")
    let count = trees.count
    let numbers = try integers("nodes_nodeids", count)
    let features = try integers("nodes_featureids", count)
    let yes = try integers("nodes_truenodeids", count)
    let no = try integers("nodes_falsenodeids", count)
    let modes = try node.strings("nodes_modes") ?? []
    let thresholds = try numbersOf("nodes_values")
    let missing = try node.ints("nodes_missing_value_tracks_true") ?? []
    if modes.count != count || thresholds.count != count || !(missing.isEmpty || missing.count == count) {
      throw OperatorFailure.invalid("the lists about nodes have different lengths")
    }
    var forest = TreeList()
    var children: [Key: TreeList.Child] = [:]
    for index in 0..<count {
      let key = Key(tree: trees[index], node: numbers[index])
      if children[key] != nil {
        throw OperatorFailure.invalid("tree \(key.tree) has two nodes \(key.node)")
      }
      if modes[index] == "LEAF" {
        children[key] = .leaf(forest.leaves.count)
        forest.leaves.append([])
      } else {
        children[key] = .node(forest.nodes.count)
        forest.nodes.append(
          TreeList.Node(
            feature: features[index], test: try Self.test(modes[index]), threshold: thresholds[index],
            missingIsTrue: !missing.isEmpty && missing[index] != 0, yes: .leaf(0), no: .leaf(0)))
      }
    }
    var isChild: Set<Key> = []
    for index in 0..<count {
      guard case .node(let place)? = children[Key(tree: trees[index], node: numbers[index])] else { continue }
      let (left, right) = (
        Key(tree: trees[index], node: yes[index]), Key(tree: trees[index], node: no[index])
      )
      guard let yesChild = children[left], let noChild = children[right] else {
        throw OperatorFailure.invalid("tree \(trees[index]) has a node whose child is missing")
      }
      isChild.formUnion([left, right])
      forest.nodes[place].yes = yesChild
      forest.nodes[place].no = noChild
    }
    for index in 0..<count {
      let key = Key(tree: trees[index], node: numbers[index])
      if !isChild.contains(key), let root = children[key] { forest.roots.append(root) }
    }
    if forest.roots.count != Set(trees).count {
      throw OperatorFailure.invalid("a tree has no root, or more than one")
    }
    try forest.checkTrees()
    try addVotes(prefix, targets, &forest) { children[Key(tree: $0, node: $1)] }
    return forest
  }

  private func addVotes(
    _ prefix: String, _ targets: Int, _ forest: inout TreeList,
    _ place: (Int, Int) -> TreeList.Child?
  ) throws {
    let trees = try integers(prefix + "_treeids")
    let numbers = try integers(prefix + "_nodeids", trees.count)
    let ids = try integers(prefix + "_ids", trees.count)
    let weights = try numbersOf(prefix + "_weights")
    if weights.count != trees.count {
      throw OperatorFailure.invalid("the lists about leaves differ in length")
    }
    for index in trees.indices {
      guard case .leaf(let leaf)? = place(trees[index], numbers[index]) else {
        throw OperatorFailure.invalid("a vote belongs to no leaf of tree \(trees[index])")
      }
      if ids[index] < 0 || ids[index] >= targets {
        throw OperatorFailure.invalid("a vote is for target \(ids[index]) of \(targets)")
      }
      forest.leaves[leaf].append(TreeList.Vote(target: ids[index], weight: weights[index]))
    }
  }

  private func integers(_ name: String, _ count: Int? = nil) throws -> [Int] {
    let values = try node.ints(name) ?? []
    if let count, values.count != count {
      throw OperatorFailure.invalid("attribute '\(name)' has \(values.count) values, not \(count)")
    }
    return values
  }

  /// A list of floats, or the tensor that takes its place for float64.
  func numbersOf(_ name: String) throws -> [Double] {
    if let tensor = try node.tensor(name + "_as_tensor") { return try tensor.doubles() }
    return (try node.floats(name) ?? []).map(Double.init)
  }

  private static func test(_ mode: String) throws -> TreeList.Test {
    switch mode {
    case "BRANCH_LEQ": .lessOrEqual
    case "BRANCH_LT": .less
    case "BRANCH_GTE": .greaterOrEqual
    case "BRANCH_GT": .greater
    case "BRANCH_EQ": .equal
    case "BRANCH_NEQ": .notEqual
    default: throw OperatorFailure.unsupported("node mode '\(mode)'")
    }
  }
}
