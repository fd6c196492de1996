import Tensors

extension WeightLayer {
  /// The shape of the layer's weight as matrices y = x W. Row k of a convolution's is channel · taps + tap; a table's
  /// columns are its rows; the matrices of a stack and of recurrent directions are groups.
  var matrix: MatrixLayout {
    switch kind {
    case .matMul:
      MatrixLayout(
        groups: shape.product(0..<shape.rank - 2), depth: shape[shape.rank - 2],
        columns: shape[shape.rank - 1])
    case .gemm(let isTransposed):
      MatrixLayout(groups: 1, depth: shape[isTransposed ? 1 : 0], columns: shape[isTransposed ? 0 : 1])
    case .conv(let groups):
      MatrixLayout(
        groups: groups, depth: shape.product(1..<shape.rank), columns: shape[0] / max(groups, 1))
    case .convTranspose(let groups):
      MatrixLayout(
        groups: groups, depth: shape[0] / max(groups, 1), columns: shape.product(1..<shape.rank))
    case .table:
      MatrixLayout(groups: 1, depth: shape.product(1..<shape.rank), columns: shape[0])
    case .recurrent:
      MatrixLayout(groups: shape[0], depth: shape[2], columns: shape[1])
    }
  }

  /// True if an element of the weight's tensor is at `row · columns + column` of its group's matrix, false if it is at
  /// `column · depth + row`.
  private var isRowMajor: Bool {
    switch kind {
    case .matMul, .gemm(isTransposed: false), .convTranspose: true
    case .gemm(isTransposed: true), .conv, .table, .recurrent: false
    }
  }

  /// One group's matrix of a weight in the layer's layout, `[depth, columns]`, row-major.
  func matrix(of weight: Tensor, group: Int) -> [Float] {
    let layout = matrix
    return weight.withElements(Float.self) { elements in
      let part = elements[group * layout.count..<(group + 1) * layout.count]
      if isRowMajor { return Array(part) }
      return Self.exchanged(UnsafeBufferPointer(rebasing: part), rows: layout.columns, columns: layout.depth)
    }
  }

  /// Puts a group's matrix `[depth, columns]` back into a weight in the layer's layout.
  func store(_ values: [Float], group: Int, in weight: inout Tensor) {
    let layout = matrix
    precondition(values.count == layout.count)
    let part =
      isRowMajor
      ? values
      : values.withUnsafeBufferPointer { Self.exchanged($0, rows: layout.depth, columns: layout.columns) }
    weight.withMutableElements(Float.self) { elements in
      for (index, value) in part.enumerated() { elements[group * layout.count + index] = value }
    }
  }

  /// Elements in matrix order, group after group, brought into the order of the layer's layout.
  func arranged<Element>(_ elements: [Element]) -> [Element] {
    let layout = matrix
    if isRowMajor { return elements }
    return elements.withUnsafeBufferPointer { elements in
      (0..<layout.groups).flatMap { group -> [Element] in
        let part = UnsafeBufferPointer(rebasing: elements[group * layout.count..<(group + 1) * layout.count])
        return Self.exchanged(part, rows: layout.depth, columns: layout.columns)
      }
    }
  }

  /// The index on `outputAxis`, over all groups, of a column of a group's matrix.
  func channel(ofColumn column: Int, group: Int) -> Int {
    switch kind {
    case .conv: group * matrix.columns + column
    case .convTranspose: column / max(shape.product(2..<shape.rank), 1)
    case .matMul, .gemm, .table, .recurrent: column
    }
  }

  private static func exchanged<Element>(
    _ elements: UnsafeBufferPointer<Element>, rows: Int, columns: Int
  ) -> [Element] {
    var result: [Element] = []
    result.reserveCapacity(elements.count)
    for column in 0..<columns {
      for row in 0..<rows { result.append(elements[row * columns + column]) }
    }
    return result
  }
}
