/// Positions on axes that must be kept or removed together: a union-find over numbered positions.
struct ChannelAtoms: Sendable {
  private var parents: [Int] = []
  private var isFixedRoot: [Bool] = []

  /// `count` positions that nothing ties to any other yet.
  mutating func fresh(_ count: Int) -> [Int] {
    let first = parents.count
    parents.append(contentsOf: first..<first + count)
    isFixedRoot.append(contentsOf: repeatElement(false, count: count))
    return Array(first..<first + count)
  }

  mutating func root(_ atom: Int) -> Int {
    var root = atom
    while parents[root] != root { root = parents[root] }
    var next = atom
    while parents[next] != root { (next, parents[next]) = (parents[next], root) }
    return root
  }

  mutating func unite(_ left: Int, _ right: Int) {
    let (a, b) = (root(left), root(right))
    if a == b { return }
    // The older one stays, so that the order of channels is that of their producers.
    let (older, newer) = (min(a, b), max(a, b))
    parents[newer] = older
    isFixedRoot[older] = isFixedRoot[older] || isFixedRoot[newer]
  }

  /// Position by position; where one side is unknown (nil), or they differ in length, neither may change.
  mutating func unite(_ left: [Int]?, _ right: [Int]?) {
    guard let left, let right, left.count == right.count else {
      fix(left)
      fix(right)
      return
    }
    for (a, b) in zip(left, right) { unite(a, b) }
  }

  /// These positions may never be removed.
  mutating func fix(_ atoms: [Int]?) {
    for atom in atoms ?? [] { isFixedRoot[root(atom)] = true }
  }

  mutating func isFixed(_ atom: Int) -> Bool { isFixedRoot[root(atom)] }
}
