import Tensors

/// Decides for a node which way a value goes. NaN goes the way of "no", unless the node says otherwise.
protocol TreeTest {
  static func holds<Number: ScoreNumber>(_ value: Number, _ node: DecisionForest<Number>.Node) -> Bool
}

enum LessOrEqualTest: TreeTest {
  @inline(__always)
  static func holds<Number: ScoreNumber>(_ value: Number, _ node: DecisionForest<Number>.Node) -> Bool {
    value <= node.threshold
  }
}

enum LessOrEqualOrMissingTest: TreeTest {
  @inline(__always)
  static func holds<Number: ScoreNumber>(_ value: Number, _ node: DecisionForest<Number>.Node) -> Bool {
    value <= node.threshold || (node.missingIsTrue && value != value)
  }
}

enum LessTest: TreeTest {
  @inline(__always)
  static func holds<Number: ScoreNumber>(_ value: Number, _ node: DecisionForest<Number>.Node) -> Bool {
    value < node.threshold
  }
}

enum LessOrMissingTest: TreeTest {
  @inline(__always)
  static func holds<Number: ScoreNumber>(_ value: Number, _ node: DecisionForest<Number>.Node) -> Bool {
    value < node.threshold || (node.missingIsTrue && value != value)
  }
}

enum AnyTest: TreeTest {
  @inline(__always)
  static func holds<Number: ScoreNumber>(_ value: Number, _ node: DecisionForest<Number>.Node) -> Bool {
    let isTrue: Bool
    switch node.test {
    case TestCode.lessOrEqual: isTrue = value <= node.threshold
    case TestCode.less: isTrue = value < node.threshold
    case TestCode.greaterOrEqual: isTrue = value >= node.threshold
    case TestCode.greater: isTrue = value > node.threshold
    case TestCode.equal: isTrue = value == node.threshold
    default: isTrue = value != node.threshold
    }
    return isTrue || (node.missingIsTrue && value != value)
  }
}

/// Goes down trees, eight ways at a time: each step waits for memory, so ways that do not depend on each other hide
/// each other's waiting. What a sample's scores are made of and in which order does not depend on it.
struct ForestWalk<Number: ScoreNumber, Test: TreeTest> {
  typealias Node = DecisionForest<Number>.Node

  let nodes: UnsafePointer<Node>

  @inline(__always)
  private func next(_ place: Int32, _ sample: UnsafePointer<Number>) -> Int32 {
    let node = nodes[Int(place)]
    return Test.holds(sample[node.feature], node) ? node.yes : node.no
  }

  /// The leaf that one sample reaches.
  @inline(__always)
  func leaf(_ root: Int32, _ sample: UnsafePointer<Number>) -> Int32 {
    var place = root
    while true {
      let after = next(place, sample)
      if after == place { return place }
      place = after
    }
  }

  /// The leaves that eight samples, `stride` apart, reach from as many roots.
  @inline(__always)
  func leaves(
    _ roots: SIMD8<Int32>, _ sample: UnsafePointer<Number>, stride: Int,
    _ leaves: UnsafeMutablePointer<Int32>
  ) {
    let (s1, s2, s3) = (sample + stride, sample + 2 * stride, sample + 3 * stride)
    let (s4, s5, s6, s7) = (
      sample + 4 * stride, sample + 5 * stride, sample + 6 * stride, sample + 7 * stride
    )
    var (p0, p1, p2, p3) = (roots[0], roots[1], roots[2], roots[3])
    var (p4, p5, p6, p7) = (roots[4], roots[5], roots[6], roots[7])
    while true {
      let (n0, n1, n2, n3) = (next(p0, sample), next(p1, s1), next(p2, s2), next(p3, s3))
      let (n4, n5, n6, n7) = (next(p4, s4), next(p5, s5), next(p6, s6), next(p7, s7))
      let moved =
        (n0 ^ p0) | (n1 ^ p1) | (n2 ^ p2) | (n3 ^ p3) | (n4 ^ p4) | (n5 ^ p5) | (n6 ^ p6) | (n7 ^ p7)
      if moved == 0 { break }
      (p0, p1, p2, p3) = (n0, n1, n2, n3)
      (p4, p5, p6, p7) = (n4, n5, n6, n7)
    }
    (leaves[0], leaves[1], leaves[2], leaves[3]) = (p0, p1, p2, p3)
    (leaves[4], leaves[5], leaves[6], leaves[7]) = (p4, p5, p6, p7)
  }
}
