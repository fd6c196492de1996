/// The best approximations of a matrix W `[depth, columns]` by products A·B of every rank, by the error that the
/// inputs make visible: ‖X W − X A B‖² with XᵀX known as the Gram matrix G, or ‖W − A B‖² without one.
///
/// Source: whitening of SVD-LLM (Wang et al., 2024): with G + λI = LLᵀ and LᵀW = UΣVᵀ the minimum is
/// A = L⁻ᵀUΣ, B = Vᵀ. The eigenvectors come from the smaller of the two products: V from Wᵀ(G + λI)W, which needs
/// no Cholesky factor since A = WV, or U from LᵀWWᵀL.
struct Factorization: Sendable {
  let depth: Int
  let columns: Int
  /// Squared singular values of the whitened matrix, descending: what each rank adds to the energy kept.
  let energies: [Double]
  private let weight: [Double]
  private let basis: Basis

  private enum Basis: Sendable {
    /// Rows of V.
    case right([Double])
    /// Rows of U, and of (L⁻ᵀU)ᵀ and UᵀLᵀW.
    case left(a: [Double], b: [Double])
  }

  /// - Parameters:
  ///   - gram: of the inputs, `[depth, depth]`; nil for the plain singular value decomposition.
  ///   - damping: λ as a share of the mean of G's diagonal.
  /// - Throws: `CompressionError` for numbers that are not finite.
  init(
    _ weight: [Float], depth: Int, columns: Int, gram: SymmetricMatrix? = nil, damping: Double = 1e-3
  ) throws(CompressionError) {
    precondition(weight.count == depth * columns && (gram == nil || gram?.size == depth))
    self.depth = depth
    self.columns = columns
    let numbers = weight.map(Double.init)
    self.weight = numbers
    // Inputs that were always zero say nothing about the weight: the plain error decides.
    let gram = gram.flatMap { Self.hasEnergy($0) ? $0 : nil }
    if columns <= depth {
      let eigen = try Self.rightVectors(numbers, depth, columns, gram.map { Self.damped($0, damping) })
      energies = eigen.values.map { max($0, 0) }
      basis = .right(eigen.vectors)
      return
    }
    var lower: [Double]?
    if let gram {
      // Damped already, also where an input was always zero; the rest is for rounding.
      let matrix = SymmetricMatrix(size: depth, elements: Self.damped(gram, damping))
      lower = try Cholesky.lower(matrix, damping: 1e-12)
    }
    var whitened = numbers
    if let lower {
      let upper = DenseProduct.transpose(lower, rows: depth, columns: depth)
      whitened = DenseProduct.multiply(upper, numbers, rows: depth, inner: depth, columns: columns)
    }
    let transposed = DenseProduct.transpose(whitened, rows: depth, columns: columns)
    let product = DenseProduct.multiply(whitened, transposed, rows: depth, inner: columns, columns: depth)
    let eigen = try SymmetricEigen(product, size: depth)
    energies = eigen.values.map { max($0, 0) }
    let image = DenseProduct.multiply(eigen.vectors, whitened, rows: depth, inner: depth, columns: columns)
    basis = .left(a: lower.map { Self.solveTransposed($0, eigen.vectors, depth) } ?? eigen.vectors, b: image)
  }

  /// Of WᵀGW, with G = I for nil.
  private static func rightVectors(
    _ weight: [Double], _ depth: Int, _ columns: Int, _ gram: [Double]?
  ) throws(CompressionError) -> SymmetricEigen {
    var image = weight
    if let gram { image = DenseProduct.multiply(gram, weight, rows: depth, inner: depth, columns: columns) }
    let transposed = DenseProduct.transpose(weight, rows: depth, columns: columns)
    let product = DenseProduct.multiply(transposed, image, rows: columns, inner: depth, columns: columns)
    return try SymmetricEigen(product, size: columns)
  }

  var largestRank: Int { min(depth, columns) }

  /// The largest rank at which two factors hold fewer numbers than the matrix; 0 when none does.
  var largestUsefulRank: Int { Self.largestUsefulRank(depth: depth, columns: columns) }

  static func largestUsefulRank(depth: Int, columns: Int) -> Int {
    depth * columns == 0 ? 0 : (depth * columns - 1) / (depth + columns)
  }

  /// A `[depth, rank]` and B `[rank, columns]`. Both sides of a component have the same length, so that neither
  /// loses more than the other when they are quantized.
  func factors(rank: Int) -> (a: [Float], b: [Float]) {
    precondition((0...largestRank).contains(rank))
    var left: [Double]
    var right: [Double]
    switch basis {
    case .right(let vectors):
      right = Array(vectors[..<(rank * columns)])
      let turned = DenseProduct.transpose(right, rows: rank, columns: columns)
      let product = DenseProduct.multiply(weight, turned, rows: depth, inner: columns, columns: rank)
      left = DenseProduct.transpose(product, rows: depth, columns: rank)
    case .left(let a, let b):
      left = Array(a[..<(rank * depth)])
      right = Array(b[..<(rank * columns)])
    }
    for component in 0..<rank {
      let (a, b) = (
        component * depth..<(component + 1) * depth, component * columns..<(component + 1) * columns
      )
      let lengths = (Self.length(left[a]), Self.length(right[b]))
      guard lengths.0 > 0, lengths.1 > 0 else { continue }
      let factor = (lengths.1 / lengths.0).squareRoot()
      for index in a { left[index] *= factor }
      for index in b { right[index] /= factor }
    }
    return (DenseProduct.transpose(left, rows: rank, columns: depth).map(Float.init), right.map(Float.init))
  }

  private static func length(_ vector: ArraySlice<Double>) -> Double {
    vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  private static func hasEnergy(_ gram: SymmetricMatrix) -> Bool {
    (0..<gram.size).contains { gram.elements[$0 * gram.size + $0] > 0 }
  }

  private static func damped(_ gram: SymmetricMatrix, _ damping: Double) -> [Double] {
    let size = gram.size
    var elements = gram.elements
    let trace = (0..<size).reduce(0.0) { $0 + elements[$1 * size + $1] }
    for index in 0..<size { elements[index * size + index] += damping * trace / Double(size) }
    return elements
  }

  /// Rows x with Lᵀx = v for every row v of `rows`, by back substitution.
  private static func solveTransposed(_ lower: [Double], _ rows: [Double], _ size: Int) -> [Double] {
    var solved = rows
    for row in 0..<rows.count / max(size, 1) {
      let start = row * size
      for i in stride(from: size - 1, through: 0, by: -1) {
        let value = solved[start + i] / lower[i * size + i]
        solved[start + i] = value
        for k in 0..<i { solved[start + k] -= lower[i * size + k] * value }
      }
    }
    return solved
  }
}
