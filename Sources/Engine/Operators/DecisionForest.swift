import GraphIR
import Tensors

/// A forest of decision trees in one flat array, each tree from its root downwards.
///
/// A leaf's children are the leaf itself, so that several samples can go down together until none moves.
struct DecisionForest<Number: ScoreNumber>: Sendable {
  /// 16 bytes for float32.
  struct Node: Sendable {
    /// Of a leaf: the weight of its only vote.
    var threshold: Number
    /// The feature's index, with the test and what a missing value does in the upper bits.
    var featureAndTest: UInt32
    var yes: Int32
    var no: Int32

    static var testShift: UInt32 { 28 }
    static var missingBit: UInt32 { 1 << 31 }
    static var featureMask: UInt32 { 1 << testShift - 1 }

    @inline(__always) var feature: Int { Int(featureAndTest & Self.featureMask) }
    @inline(__always) var missingIsTrue: Bool { featureAndTest & Self.missingBit != 0 }
    @inline(__always) var test: UInt32 { featureAndTest >> Self.testShift & 7 }
  }

  struct Vote: Sendable {
    let target: Int32
    let weight: Number
  }

  private(set) var nodes: [Node] = []
  private(set) var roots: [Int32] = []
  private(set) var votes: [Vote] = []
  /// By node, where its votes begin; one more for the end.
  private(set) var voteStarts: [Int32] = [0]
  /// The target of every leaf's only vote; nil when leaves have other votes.
  private(set) var singleTarget: Int?
  private(set) var kind = ForestTests.any
  private(set) var largestFeature = -1
  /// The longest way from a root to a leaf, for estimates of cost.
  private(set) var depth = 0

  /// - Throws: `OperatorFailure.invalid` when a tree leads back to itself.
  init(_ list: TreeList) throws {
    var builder = Builder<Number>(list: list)
    for root in list.roots { roots.append(try builder.place(root)) }
    for (place, votes) in zip(builder.nodes.indices, builder.votes) {
      if let first = votes.first { builder.nodes[place].threshold = Number(first.weight) }
      self.votes += votes.map { Vote(target: Int32($0.target), weight: Number($0.weight)) }
      voteStarts.append(Int32(self.votes.count))
    }
    nodes = builder.nodes
    depth = builder.depth
    largestFeature = builder.largestFeature
    let leaves = builder.votes.indices.filter { builder.nodes[$0].yes == Int32($0) }
    let targets = Set(self.votes.map(\.target))
    if targets.count == 1, leaves.allSatisfy({ builder.votes[$0].count == 1 }) {
      singleTarget = targets.first.map { Int($0) }
    }
    kind = ForestTests(tests: builder.tests, hasMissing: builder.hasMissing)
  }
}

/// The tests that occur in a forest: common kinds have loops of their own.
enum ForestTests: Sendable {
  case lessOrEqual, lessOrEqualOrMissing, less, lessOrMissing, any

  init(tests: Set<UInt32>, hasMissing: Bool) {
    switch tests {
    case []: self = .lessOrEqual
    case [TestCode.lessOrEqual]: self = hasMissing ? .lessOrEqualOrMissing : .lessOrEqual
    case [TestCode.less]: self = hasMissing ? .lessOrMissing : .less
    default: self = .any
    }
  }
}

enum TestCode {
  static let lessOrEqual: UInt32 = 0
  static let less: UInt32 = 1
  static let greaterOrEqual: UInt32 = 2
  static let greater: UInt32 = 3
  static let equal: UInt32 = 4
  static let notEqual: UInt32 = 5
}

/// Lays trees out, without recursion: a hostile model may hold a tree as deep as it has nodes.
private struct Builder<Number: ScoreNumber> {
  typealias Node = DecisionForest<Number>.Node

  let list: TreeList
  var nodes: [Node] = []
  /// By node; empty for inner nodes.
  var votes: [[TreeList.Vote]] = []
  var tests: Set<UInt32> = []
  var hasMissing = false
  var largestFeature = -1
  var depth = 0
  /// Nodes of the list on the way from the root to the current place.
  private var isOpen: [Bool]
  private var edges = 0

  /// What is still to do, last first.
  private enum Task {
    case place(TreeList.Child, parents: [(node: Int, isYes: Bool)], depth: Int)
    case close(Int)
  }

  init(list: TreeList) {
    self.list = list
    isOpen = Array(repeating: false, count: list.nodes.count)
  }

  /// - Returns: where the root lies.
  mutating func place(_ root: TreeList.Child) throws -> Int32 {
    let start = nodes.count
    var tasks: [Task] = [.place(root, parents: [], depth: 0)]
    while let task = tasks.popLast() {
      switch task {
      case .close(let node): isOpen[node] = false
      case .place(let child, let parents, let depth):
        self.depth = max(self.depth, depth)
        // Trees may share parts, which are laid out once for each way to them.
        edges += 1
        if edges > 4 * (list.nodes.count + list.leaves.count) + (1 << 20) || nodes.count > 1 << 30 {
          throw OperatorFailure.invalid("the nodes of a tree form no tree")
        }
        for parent in parents {
          if parent.isYes { nodes[parent.node].yes = Int32(nodes.count) }
          if !parent.isYes { nodes[parent.node].no = Int32(nodes.count) }
        }
        switch child {
        case .leaf(let leaf): addLeaf(list.leaves[leaf])
        case .node(let index):
          if isOpen[index] { throw OperatorFailure.invalid("a tree leads back to itself") }
          isOpen[index] = true
          let node = list.nodes[index]
          let added = try add(node)
          tasks.append(.close(index))
          tasks.append(.place(node.no, parents: added.no, depth: depth + 1))
          tasks.append(.place(node.yes, parents: added.yes, depth: depth + 1))
        }
      }
    }
    return Int32(start)
  }

  private mutating func addLeaf(_ votes: [TreeList.Vote]) {
    let place = Int32(nodes.count)
    nodes.append(Node(threshold: 0, featureAndTest: 0, yes: place, no: place))
    self.votes.append(votes)
  }

  /// One node, or for a set of members one for each that asks for equality.
  private mutating func add(
    _ node: TreeList.Node
  ) throws -> (yes: [(node: Int, isYes: Bool)], no: [(node: Int, isYes: Bool)]) {
    guard node.feature >= 0, node.feature <= Int(Node.featureMask) else {
      throw OperatorFailure.invalid("feature \(node.feature) is asked for")
    }
    largestFeature = max(largestFeature, node.feature)
    if node.missingIsTrue { hasMissing = true }
    let (code, thresholds): (UInt32, [Double]) =
      switch node.test {
      case .lessOrEqual: (TestCode.lessOrEqual, [node.threshold])
      case .less: (TestCode.less, [node.threshold])
      case .greaterOrEqual: (TestCode.greaterOrEqual, [node.threshold])
      case .greater: (TestCode.greater, [node.threshold])
      case .equal: (TestCode.equal, [node.threshold])
      case .notEqual: (TestCode.notEqual, [node.threshold])
      // Nothing equals NaN.
      case .member(let members): (TestCode.equal, members.isEmpty ? [.nan] : members)
      }
    tests.insert(code)
    let bits = UInt32(node.feature) | code << Node.testShift | (node.missingIsTrue ? Node.missingBit : 0)
    let first = nodes.count
    for (offset, threshold) in thresholds.enumerated() {
      let next = Int32(first + offset + 1)
      nodes.append(Node(threshold: Number(threshold), featureAndTest: bits, yes: next, no: next))
      votes.append([])
    }
    return ((first..<nodes.count).map { ($0, true) }, [(nodes.count - 1, false)])
  }
}
