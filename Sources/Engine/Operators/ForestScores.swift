import Tensors

/// How the votes of the trees for one target are put together.
enum VoteAggregate: String, CaseIterable, Sendable {
  // In the order of `TreeEnsemble`'s numbers.
  case average = "AVERAGE"
  case sum = "SUM"
  case min = "MIN"
  case max = "MAX"
}

/// Sums up what the trees of a forest say about a block of samples. Each sample's votes are added in the order of the
/// trees and in the forest's own precision, as onnxruntime does on one thread, so that ties fall the same way.
struct ForestScores<Number: ScoreNumber>: Sendable {
  /// Samples that go through a tree before the next one is looked at: as many as let a tree stay in the cache.
  static var blockRows: Int { 64 }

  let forest: DecisionForest<Number>
  let targets: Int
  let aggregate: VoteAggregate

  /// Memory for a block: scores of each sample, and which of them any tree voted for.
  struct Block {
    let scores: UnsafeMutablePointer<Number>
    let hasVotes: UnsafeMutablePointer<Bool>
    let leaves: UnsafeMutablePointer<Int32>
    /// For features that have to be converted.
    let features: UnsafeMutableRawPointer
  }

  var scratchBytes: Int {
    scoreBytes + ((Self.blockRows * targets + 63) & ~63) + 64
  }
  private var scoreBytes: Int { (Self.blockRows * targets * MemoryLayout<Number>.stride + 63) & ~63 }

  func block(_ scratch: UnsafeMutableRawPointer) -> Block {
    let flags = scratch + scoreBytes
    let leaves = flags + ((Self.blockRows * targets + 63) & ~63)
    return Block(
      scores: scratch.assumingMemoryBound(to: Number.self),
      hasVotes: flags.assumingMemoryBound(to: Bool.self),
      leaves: leaves.assumingMemoryBound(to: Int32.self), features: leaves + 64)
  }

  /// - Parameter rows: at most `blockRows`.
  // Operators are called as `any ShapedOperator`, behind which the compiler makes no copy for the concrete type by
  // itself.
  @_specialize(where Number == Float)
  @_specialize(where Number == Double)
  func collect(_ samples: UnsafePointer<Number>, rows: Int, columns: Int, _ block: Block) {
    (block.scores).update(repeating: 0, count: rows * targets)
    block.hasVotes.update(repeating: false, count: rows * targets)
    switch forest.kind {
    case .lessOrEqual: collect(samples, rows, columns, block, LessOrEqualTest.self)
    case .lessOrEqualOrMissing: collect(samples, rows, columns, block, LessOrEqualOrMissingTest.self)
    case .less: collect(samples, rows, columns, block, LessTest.self)
    case .lessOrMissing: collect(samples, rows, columns, block, LessOrMissingTest.self)
    case .any: collect(samples, rows, columns, block, AnyTest.self)
    }
  }

  private func collect<Test: TreeTest>(
    _ samples: UnsafePointer<Number>, _ rows: Int, _ columns: Int, _ block: Block, _: Test.Type
  ) {
    forest.nodes.withUnsafeBufferPointer { nodes in
      // A forest without trees gives no votes.
      guard let base = nodes.baseAddress else { return }
      let walk = ForestWalk<Number, Test>(nodes: base)
      let whole = rows & ~7
      for root in forest.roots {
        let starts = SIMD8<Int32>(repeating: root)
        for row in stride(from: 0, to: whole, by: 8) {
          walk.leaves(starts, samples + row * columns, stride: columns, block.leaves)
          for lane in 0..<8 { add(block.leaves[lane], to: row + lane, base, block) }
        }
      }
      for row in whole..<rows { collect(row, samples + row * columns, walk, block) }
    }
  }

  /// One sample through all trees, eight trees at a time.
  @inline(__always)
  private func collect<Test: TreeTest>(
    _ row: Int, _ sample: UnsafePointer<Number>, _ walk: ForestWalk<Number, Test>, _ block: Block
  ) {
    forest.roots.withUnsafeBufferPointer { roots in
      let whole = roots.count & ~7
      for tree in stride(from: 0, to: whole, by: 8) {
        var starts = SIMD8<Int32>()
        for lane in 0..<8 { starts[lane] = roots[tree + lane] }
        walk.leaves(starts, sample, stride: 0, block.leaves)
        for lane in 0..<8 { add(block.leaves[lane], to: row, walk.nodes, block) }
      }
      for tree in whole..<roots.count { add(walk.leaf(roots[tree], sample), to: row, walk.nodes, block) }
    }
  }

  @inline(__always)
  private func add(
    _ leaf: Int32, to row: Int, _ nodes: UnsafePointer<DecisionForest<Number>.Node>, _ block: Block
  ) {
    if let target = forest.singleTarget, aggregate == .sum || aggregate == .average {
      block.scores[row * targets + target] += nodes[Int(leaf)].threshold
      block.hasVotes[row * targets + target] = true
      return
    }
    for index in Int(forest.voteStarts[Int(leaf)])..<Int(forest.voteStarts[Int(leaf) + 1]) {
      let vote = forest.votes[index]
      let place = row * targets + Int(vote.target)
      let score = block.scores[place]
      switch aggregate {
      case .sum, .average: block.scores[place] = score + vote.weight
      case .min: block.scores[place] = block.hasVotes[place] ? Swift.min(score, vote.weight) : vote.weight
      case .max: block.scores[place] = block.hasVotes[place] ? Swift.max(score, vote.weight) : vote.weight
      }
      block.hasVotes[place] = true
    }
  }
}
