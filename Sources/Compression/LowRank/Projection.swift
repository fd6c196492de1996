/// The best last factor when the factors before it are given.
enum Projection {
  /// argmin over B of tr((W - T B)ᵀ G (W - T B)) + λ ‖B - start‖², solved for what `start` leaves.
  ///
  /// - Parameters:
  ///   - weight: W `[gram.size, columns]`.
  ///   - map: T `[gram.size, inner]`.
  ///   - start: B `[inner, columns]` to be kept where the inputs say nothing.
  ///   - damping: λ as a share of the mean of the diagonal of TᵀGT.
  /// - Throws: as `Cholesky.lower`.
  static func refit(
    _ weight: [Float], columns: Int, _ map: [Double], inner: Int, start: [Float], _ gram: SymmetricMatrix,
    _ damping: Double
  ) throws(CompressionError) -> [Float] {
    let size = gram.size
    precondition(
      weight.count == size * columns && map.count == size * inner && start.count == inner * columns)
    let first = start.map(Double.init)
    let reached = DenseProduct.multiply(map, first, rows: size, inner: inner, columns: columns)
    let left = zip(weight, reached).map { Double($0) - $1 }
    let image = DenseProduct.multiply(gram.elements, map, rows: size, inner: size, columns: inner)
    let transposed = DenseProduct.transpose(image, rows: size, columns: inner)
    let normal = DenseProduct.multiply(transposed, map, rows: inner, inner: size, columns: inner)
    var answer = DenseProduct.multiply(transposed, left, rows: inner, inner: size, columns: columns)
    let lower = try Cholesky.lower(SymmetricMatrix(size: inner, elements: normal), damping: damping)
    Cholesky.solve(lower, size: inner, &answer, columns: columns)
    return zip(first, answer).map { Float($0 + $1) }
  }
}
