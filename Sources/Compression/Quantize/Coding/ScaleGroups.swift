/// Which elements of a matrix `[depth, columns]` share a scale.
enum ScaleGroups: Sendable, Equatable {
  case tensor
  /// A column of the matrix is a group: an output channel.
  case channel
  /// So many rows of a column, at least 1; the last group of a column may be shorter.
  case blocks(Int)

  /// Groups of a column.
  func blocks(depth: Int) -> Int {
    guard case .blocks(let size) = self else { return 1 }
    return depth / size + (depth % size == 0 ? 0 : 1)
  }

  /// The number of groups: 1, `columns`, or blocks · columns.
  func count(depth: Int, columns: Int) -> Int {
    switch self {
    case .tensor: 1
    case .channel: columns
    case .blocks: blocks(depth: depth) * columns
    }
  }

  /// The group of an element. Groups of blocks lie row by row, `[blocks, columns]`, as DequantizeLinear has them for
  /// blocks along axis 0.
  func index(row: Int, column: Int, columns: Int) -> Int {
    switch self {
    case .tensor: 0
    case .channel: column
    case .blocks(let size): row / size * columns + column
    }
  }

  /// The rows of the matrix that the groups with number `block` in their column cover.
  func rows(ofBlock block: Int, depth: Int) -> Range<Int> {
    guard case .blocks(let size) = self else { return 0..<depth }
    let start = min(block * size, depth)
    return start..<min(start + size, depth)
  }
}
