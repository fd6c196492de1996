import GraphIR
import Tensors

/// Reads the forest of `TreeEnsemble`, whose nodes are named by their place in the lists.
struct IndexedTreeReader {
  let node: Node

  func read(targets: Int) throws -> TreeList {
    let features = try node.ints("nodes_featureids") ?? []
    let count = features.count
    let yes = try list("nodes_truenodeids", count)
    let no = try list("nodes_falsenodeids", count)
    let yesLeaves = try list("nodes_trueleafs", count)
    let noLeaves = try list("nodes_falseleafs", count)
    let missing = try node.ints("nodes_missing_value_tracks_true") ?? []
    let thresholds = try tensor("nodes_splits").doubles()
    let modes = try tensor("nodes_modes").doubles()
    if thresholds.count != count || modes.count != count || !(missing.isEmpty || missing.count == count) {
      throw OperatorFailure.invalid("the lists about nodes have different lengths")
    }
    let targetIDs = try node.ints("leaf_targetids") ?? []
    let weights = try tensor("leaf_weights").doubles()
    if targetIDs.count != weights.count || targetIDs.contains(where: { $0 < 0 || $0 >= targets }) {
      throw OperatorFailure.invalid("leaves do not fit \(targets) targets")
    }
    var forest = TreeList()
    forest.leaves = zip(targetIDs, weights).map { [TreeList.Vote(target: $0, weight: $1)] }
    var sets = try memberSets()[...]
    func child(_ index: Int, isLeaf: Bool) throws -> TreeList.Child {
      if index < 0 || index >= (isLeaf ? targetIDs.count : count) {
        throw OperatorFailure.invalid("a node's child \(index) is missing")
      }
      return isLeaf ? .leaf(index) : .node(index)
    }
    for index in 0..<count {
      forest.nodes.append(
        TreeList.Node(
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
  private func memberSets() throws -> [[Double]] {
    guard let tensor = try node.tensor("membership_values") else { return [] }
    return try tensor.doubles().split(omittingEmptySubsequences: false, whereSeparator: \.isNaN)
      .map(Array.init)
  }

  private static func test(_ mode: Double, _ sets: inout ArraySlice<[Double]>) throws -> TreeList.Test {
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
