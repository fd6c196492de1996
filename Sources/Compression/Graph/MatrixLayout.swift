/// A weight as matrices `[depth, columns]`, one for each group: y = x W, convolutions by im2col. Row-major float32.
struct MatrixLayout: Sendable, Equatable {
  let groups: Int
  /// Rows of a matrix: the inputs that an output sums over.
  let depth: Int
  /// Outputs of a group.
  let columns: Int

  /// Elements of one group's matrix.
  var count: Int { depth * columns }
}
