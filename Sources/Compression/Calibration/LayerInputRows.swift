import GraphIR
import Tensors

/// The tensor that a layer reads, as rows of the matrix that its weight is multiplied with.
struct LayerInputRows {
  private let layout: MatrixLayout
  private let kind: WeightLayer.Kind
  private let window: SlidingWindow?
  /// The axes of a stack of matrices, outermost first.
  private let stack: [Int]

  /// - Returns: nil for layers that read no rows of numbers: tables, and the recurrence of a recurrent layer.
  init?(_ layer: WeightLayer, in graph: Graph) {
    layout = layer.matrix
    kind = layer.kind
    let shape = layer.shape
    switch layer.kind {
    case .conv:
      let kernel = Array(shape.dimensions.dropFirst(2))
      guard let window = try? SlidingWindow(graph.nodes[layer.node], kernel: kernel) else { return nil }
      self.window = window
      stack = []
    case .matMul:
      window = nil
      stack = Array(shape.dimensions.dropLast(2))
    case .gemm, .convTranspose, .recurrent(.input):
      window = nil
      stack = []
    case .table, .recurrent(.recurrence): return nil
    }
  }

  /// The positions of one tensor, and how to read a row of each.
  struct Positions {
    let count: Int
    /// Writes the row of a position; false where the group has none there.
    let fill:
      (_ row: UnsafeMutableBufferPointer<Float>, _ position: Int, _ group: Int, UnsafeBufferPointer<Float>) ->
        Bool
  }

  /// Nil when the shape does not fit the layer.
  func positions(of shape: Shape) -> Positions? {
    switch kind {
    case .conv(let groups): return patches(shape, groups)
    case .convTranspose(let groups): return pixels(shape, groups)
    case .matMul where !stack.isEmpty: return stacked(shape)
    case .matMul, .gemm, .recurrent, .table:
      let depth = layout.depth
      guard shape.rank > 0, shape[shape.rank - 1] == depth, depth > 0 else { return nil }
      return Positions(count: shape.elementCount / depth) { row, position, _, elements in
        for k in 0..<depth { row[k] = elements[position * depth + k] }
        return true
      }
    }
  }

  private func patches(_ shape: Shape, _ groups: Int) -> Positions? {
    guard let window, shape.rank == window.spatialRank + 2 else { return nil }
    let extents = Array(shape.dimensions.dropFirst(2))
    let patches = PatchRows(
      channels: shape[1], groups: groups, extents: extents, kernel: window.kernel, strides: window.strides,
      dilations: window.dilations, pads: window.pads(input: extents))
    guard let patches, patches.depth == layout.depth, patches.positions > 0 else { return nil }
    let size = patches.imageCount
    return Positions(count: shape[0] * patches.positions) { row, position, group, elements in
      let image = position / patches.positions * size
      patches.fill(
        row, position: position % patches.positions, group: group,
        UnsafeBufferPointer(rebasing: elements[image..<image + size]))
      return true
    }
  }

  /// A transposed convolution multiplies the channels of each input position.
  private func pixels(_ shape: Shape, _ groups: Int) -> Positions? {
    let depth = layout.depth
    guard shape.rank >= 3, shape[1] == depth * groups else { return nil }
    let area = shape.product(2..<shape.rank)
    return Positions(count: shape[0] * area) { row, position, group, elements in
      let start = (position / max(area, 1) * groups + group) * depth * area + position % area
      for k in 0..<depth { row[k] = elements[start + k * area] }
      return true
    }
  }

  /// Each matrix of a stack sees those of the activation that broadcasting pairs it with.
  private func stacked(_ shape: Shape) -> Positions? {
    let depth = layout.depth
    guard shape.rank > 0, shape[shape.rank - 1] == depth, depth > 0 else { return nil }
    let rows = shape.rank > 1 ? shape[shape.rank - 2] : 1
    let outer = Array(shape.dimensions.dropLast(2))
    let stack = stack
    return Positions(count: shape.elementCount / depth) { row, position, group, elements in
      var (matrix, own) = (position / max(rows, 1), group)
      for axis in 0..<min(outer.count, stack.count) {
        let extent = outer[outer.count - 1 - axis]
        let wanted = stack[stack.count - 1 - axis]
        if extent != 1 && wanted != 1 && matrix % extent != own % wanted { return false }
        matrix /= extent
        own /= wanted
      }
      for k in 0..<depth { row[k] = elements[position * depth + k] }
      return true
    }
  }
}
