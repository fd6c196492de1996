import GraphIR
import Tensors

/// A forest of decision trees, checked: every child exists.
struct DecisionForest: Sendable {
  enum Test: Sendable {
    case lessOrEqual, less, greaterOrEqual, greater, equal, notEqual
    case member(Set<Double>)

    func callAsFunction(_ value: Double, _ threshold: Double) -> Bool {
      switch self {
      case .lessOrEqual: value <= threshold
      case .less: value < threshold
      case .greaterOrEqual: value >= threshold
      case .greater: value > threshold
      case .equal: value == threshold
      case .notEqual: value != threshold
      case .member(let set): set.contains(value)
      }
    }
  }

  enum Child: Sendable {
    case node(Int)
    /// A place in `leaves`.
    case leaf(Int)
  }

  struct Node: Sendable {
    var feature: Int
    var test: Test
    var threshold: Double
    var missingIsTrue: Bool
    var yes: Child
    var no: Child
  }

  struct Vote: Sendable {
    let target: Int
    let weight: Double
  }

  var nodes: [Node] = []
  var leaves: [[Vote]] = []
  var roots: [Child] = []

  /// Every node and leaf must be reached from one root, once.
  func checkTrees() throws {
    let total = nodes.count + leaves.count
    var pending = roots
    var visits = 0
    while let place = pending.popLast(), visits <= total {
      visits += 1
      if case .node(let index) = place { pending += [nodes[index].yes, nodes[index].no] }
    }
    if visits != total { throw OperatorFailure.invalid("the nodes of a tree form no tree") }
  }

  /// The votes of each tree for one sample.
  /// - Throws: `OperatorFailure.invalid` when a tree has a loop or asks for a feature that is not there.
  func votes(_ sample: ArraySlice<Double>, _ body: (Vote) -> Void) throws {
    for root in roots {
      var place = root
      var steps = 0
      while case .node(let index) = place {
        let node = nodes[index]
        guard node.feature >= 0, node.feature < sample.count else {
          throw OperatorFailure.invalid("feature \(node.feature) of \(sample.count) is asked for")
        }
        let value = sample[sample.startIndex + node.feature]
        place = node.test(value, node.threshold) || (node.missingIsTrue && value.isNaN) ? node.yes : node.no
        steps += 1
        if steps > nodes.count { throw OperatorFailure.invalid("a tree leads back to itself") }
      }
      if case .leaf(let leaf) = place { for vote in leaves[leaf] { body(vote) } }
    }
  }
}

/// Reads the forest of `TreeEnsembleClassifier` and `TreeEnsembleRegressor`: nodes named by tree and number.
struct NamedTreeReader {
  private struct Key: Hashable { let tree, node: Int }

  let node: Node

  /// - Parameter prefix: `class` or `target`.
  func read(_ prefix: String, targets: Int) throws -> DecisionForest {
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
    var forest = DecisionForest()
    var children: [Key: DecisionForest.Child] = [:]
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
          DecisionForest.Node(
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
    _ prefix: String, _ targets: Int, _ forest: inout DecisionForest,
    _ place: (Int, Int) -> DecisionForest.Child?
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
      forest.leaves[leaf].append(DecisionForest.Vote(target: ids[index], weight: weights[index]))
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
    if let tensor = try node.tensor(name + "_as_tensor") { return try FeatureRows.doubles(tensor) }
    return (try node.floats(name) ?? []).map(Double.init)
  }

  private static func test(_ mode: String) throws -> DecisionForest.Test {
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

/// Reads the forest of `TreeEnsemble`, whose nodes are named by their place in the lists.
struct IndexedTreeReader {
  let node: Node

  func read(targets: Int) throws -> DecisionForest {
    let features = try node.ints("nodes_featureids") ?? []
    let count = features.count
    let yes = try list("nodes_truenodeids", count)
    let no = try list("nodes_falsenodeids", count)
    let yesLeaves = try list("nodes_trueleafs", count)
    let noLeaves = try list("nodes_falseleafs", count)
    let missing = try node.ints("nodes_missing_value_tracks_true") ?? []
    let thresholds = try FeatureRows.doubles(try tensor("nodes_splits"))
    let modes = try FeatureRows.doubles(try tensor("nodes_modes")).map { Int($0) }
    if thresholds.count != count || modes.count != count || !(missing.isEmpty || missing.count == count) {
      throw OperatorFailure.invalid("the lists about nodes have different lengths")
    }
    let targetIDs = try node.ints("leaf_targetids") ?? []
    let weights = try FeatureRows.doubles(try tensor("leaf_weights"))
    if targetIDs.count != weights.count || targetIDs.contains(where: { $0 < 0 || $0 >= targets }) {
      throw OperatorFailure.invalid("leaves do not fit \(targets) targets")
    }
    var forest = DecisionForest()
    forest.leaves = zip(targetIDs, weights).map { [DecisionForest.Vote(target: $0, weight: $1)] }
    var sets = try memberSets()[...]
    func child(_ index: Int, isLeaf: Bool) throws -> DecisionForest.Child {
      if index < 0 || index >= (isLeaf ? targetIDs.count : count) {
        throw OperatorFailure.invalid("a node's child \(index) is missing")
      }
      return isLeaf ? .leaf(index) : .node(index)
    }
    for index in 0..<count {
      forest.nodes.append(
        DecisionForest.Node(
          feature: features[index], test: try Self.test(modes[index], &sets), threshold: thresholds[index],
          missingIsTrue: !missing.isEmpty && missing[index] != 0,
          yes: try child(yes[index], isLeaf: yesLeaves[index] != 0),
          no: try child(no[index], isLeaf: noLeaves[index] != 0)))
    }
    forest.roots = try (try node.ints("tree_roots") ?? []).map { try child($0, isLeaf: false) }
    return forest
  }

  private func list(_ name: String, _ count: Int) throws -> [Int] {
    let values = try node.ints(name) ?? []
    if values.count != count {
      throw OperatorFailure.invalid("attribute '\(name)' has \(values.count) values, not \(count)")
    }
    return values
  }

  private func tensor(_ name: String) throws -> Tensor {
    guard let tensor = try node.tensor(name) else {
      throw OperatorFailure.invalid("attribute '\(name)' is required")
    }
    return tensor
  }

  /// The sets of all membership nodes in order; each ends with a NaN.
  private func memberSets() throws -> [Set<Double>] {
    guard let tensor = try node.tensor("membership_values") else { return [] }
    return try FeatureRows.doubles(tensor).split(omittingEmptySubsequences: false, whereSeparator: \.isNaN)
      .map(Set.init)
  }

  private static func test(_ mode: Int, _ sets: inout ArraySlice<Set<Double>>) throws -> DecisionForest.Test {
    switch mode {
    case 0: return .lessOrEqual
    case 1: return .less
    case 2: return .greaterOrEqual
    case 3: return .greater
    case 4: return .equal
    case 5: return .notEqual
    case 6:
      guard let set = sets.popFirst() else { throw OperatorFailure.invalid("a membership set is missing") }
      return .member(set)
    default: throw OperatorFailure.unsupported("node mode \(mode)")
    }
  }
}
