import GraphIR
import Tensors

/// Decision trees as a model lists them, checked: every child exists.
struct TreeList: Sendable {
  enum Test: Sendable {
    case lessOrEqual, less, greaterOrEqual, greater, equal, notEqual
    case member([Double])
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
}
