/// Eigenvalues and eigenvectors of a symmetric matrix, in float64, without any library: reduction to tridiagonal
/// form by Householder reflections, then QL iterations with implicit shifts.
///
/// Source: the public-domain EISPACK routines `tred2` and `tql2` (Wilkinson and Reinsch, "Handbook for Automatic
/// Computation", volume II, 1971). Eigenvectors are kept as rows here, so that a rotation runs over contiguous
/// memory. Time is about 4 n³ multiplications, memory 2 n² numbers.
struct SymmetricEigen: Sendable {
  let size: Int
  /// Descending.
  let values: [Double]
  /// Row i is the eigenvector of `values[i]`: unit length, the component of largest magnitude positive.
  let vectors: [Double]

  /// - Parameter elements: `[size, size]`; the lower triangle is read.
  /// - Throws: `CompressionError.model` when an element is not finite or the iteration does not end.
  init(_ elements: [Double], size: Int) throws(CompressionError) {
    precondition(elements.count == size * size)
    guard elements.allSatisfy(\.isFinite) else {
      throw .model("eigenvalues of a matrix with infinities or NaN")
    }
    // Scaled to its largest element, so that no square overflows or vanishes.
    let largest = elements.reduce(0) { max($0, abs($1)) }
    guard size > 0, largest > 0 else {
      self.size = size
      values = [Double](repeating: 0, count: size)
      vectors = (0..<size * size).map { $0 % (size + 1) == 0 ? 1 : 0 }
      return
    }
    var work = Tridiagonal(elements.map { $0 / largest }, size: size)
    work.reduce()
    let converged = work.iterate()
    guard converged else { throw .model("eigenvalues of a matrix of size \(size) do not converge") }
    let diagonal = work.diagonal
    let order = (0..<size).sorted { (diagonal[$0], $1) > (diagonal[$1], $0) }
    var rows: [Double] = []
    rows.reserveCapacity(size * size)
    for index in order {
      let row = work.vectors[index * size..<(index + 1) * size]
      let leading = row.reduce(0) { abs($1) > abs($0) ? $1 : $0 }
      rows += leading < 0 ? row.map { -$0 } : Array(row)
    }
    self.size = size
    values = order.map { diagonal[$0] * largest }
    vectors = rows
  }

  /// Row i of `vectors`.
  func vector(_ index: Int) -> ArraySlice<Double> { vectors[index * size..<(index + 1) * size] }
}

/// The work space of the two phases.
private struct Tridiagonal {
  let size: Int
  /// The matrix; then the reflections; then the eigenvectors as rows.
  var vectors: [Double]
  var diagonal: [Double]
  /// Element i lies beside diagonal elements i - 1 and i.
  var beside: [Double]

  init(_ elements: [Double], size: Int) {
    self.size = size
    vectors = elements
    diagonal = [Double](repeating: 0, count: size)
    beside = [Double](repeating: 0, count: size)
  }

  /// A = QᵀTQ with T tridiagonal: rows of `vectors` become those of Q.
  mutating func reduce() {
    let n = size
    var scales = [Double](repeating: 0, count: n)
    var product = [Double](repeating: 0, count: n)
    vectors.withUnsafeMutableBufferPointer { a in
      // Row i of the lower triangle is reduced to its last element; the reflection vector stays in the row.
      for i in stride(from: n - 1, to: 0, by: -1) {
        let row = i * n
        let scale = (0..<i).reduce(0.0) { $0 + abs(a[row + $1]) }
        if i == 1 || scale == 0 || (0..<i - 1).allSatisfy({ a[row + $0] == 0 }) {
          beside[i] = a[row + i - 1]
          continue
        }
        var square = 0.0
        for k in 0..<i {
          a[row + k] /= scale
          square += a[row + k] * a[row + k]
        }
        let last = a[row + i - 1]
        let root = last >= 0 ? -square.squareRoot() : square.squareRoot()
        beside[i] = scale * root
        let half = square - last * root
        a[row + i - 1] = last - root
        scales[i] = half
        Self.reflect(a, n, i, half, &product)
      }
      for i in 0..<n { diagonal[i] = a[i * n + i] }
      Self.accumulate(a, n, scales)
    }
  }

  /// A := PAP on the leading i × i lower triangle, where P = I - uuᵀ/half and u is row i.
  private static func reflect(
    _ a: UnsafeMutableBufferPointer<Double>, _ n: Int, _ i: Int, _ half: Double, _ product: inout [Double]
  ) {
    let u = i * n
    product.withUnsafeMutableBufferPointer { product in
      for j in 0..<i { product[j] = 0 }
      // p = A u / half from the lower triangle: each row serves its own element and those left of it.
      for j in 0..<i {
        let row = j * n
        let factor = a[u + j]
        var sum = a[row + j] * factor
        for k in 0..<j {
          sum += a[row + k] * a[u + k]
          product[k] += a[row + k] * factor
        }
        product[j] += sum
      }
      var inner = 0.0
      for j in 0..<i {
        product[j] /= half
        inner += product[j] * a[u + j]
      }
      let shift = inner / (2 * half)
      for j in 0..<i { product[j] -= shift * a[u + j] }
      for j in 0..<i {
        let (left, right) = (a[u + j], product[j])
        for k in 0...j { a[j * n + k] -= left * product[k] + right * a[u + k] }
      }
    }
  }

  /// Replaces the reflections by the rows of Q, the product of the reflections.
  private static func accumulate(_ a: UnsafeMutableBufferPointer<Double>, _ n: Int, _ scales: [Double]) {
    var sums = [Double](repeating: 0, count: n)
    for i in 0..<n {
      // The leading i × i block holds the product of the reflections below i; each gets one more from the right.
      if scales[i] != 0 {
        let u = i * n
        for j in 0..<i { sums[j] = 0 }
        // Qᵀ is applied: as rows hold Qᵀ's columns, the product runs over rows.
        for j in 0..<i {
          var sum = 0.0
          for k in 0..<i { sum += a[j * n + k] * a[u + k] }
          sums[j] = sum / scales[i]
        }
        for j in 0..<i {
          let factor = sums[j]
          for k in 0..<i { a[j * n + k] -= factor * a[u + k] }
        }
      }
      for j in 0..<i {
        a[i * n + j] = 0
        a[j * n + i] = 0
      }
      a[i * n + i] = 1
    }
  }

  /// QL iterations; false when an eigenvalue needs more than 60 of them.
  mutating func iterate() -> Bool {
    var rows = vectors
    vectors = []
    defer { vectors = rows }
    return rows.withUnsafeMutableBufferPointer { iterate($0) }
  }

  private mutating func iterate(_ rows: UnsafeMutableBufferPointer<Double>) -> Bool {
    let n = size
    for i in 1..<n { beside[i - 1] = beside[i] }
    beside[n - 1] = 0
    for low in 0..<n {
      var turns = 0
      while true {
        var high = low
        while high < n - 1 {
          let scale = abs(diagonal[high]) + abs(diagonal[high + 1])
          if abs(beside[high]) <= .ulpOfOne * scale || abs(beside[high]) < 1e-300 { break }
          high += 1
        }
        if high == low { break }
        turns += 1
        if turns > 60 { return false }
        step(low, high, rows)
      }
    }
    return true
  }

  /// One implicit QL step on the unreduced block low…high, its rotations applied to the rows of `rows`.
  private mutating func step(_ low: Int, _ high: Int, _ rows: UnsafeMutableBufferPointer<Double>) {
    let n = size
    var g = (diagonal[low + 1] - diagonal[low]) / (2 * beside[low])
    var r = Self.hypotenuse(g, 1)
    g = diagonal[high] - diagonal[low] + beside[low] / (g + (g < 0 ? -r : r))
    var (sine, cosine, shift) = (1.0, 1.0, 0.0)
    var i = high - 1
    while i >= low {
      let f = sine * beside[i]
      let b = cosine * beside[i]
      r = Self.hypotenuse(f, g)
      beside[i + 1] = r
      if r == 0 {
        diagonal[i + 1] -= shift
        beside[high] = 0
        return
      }
      sine = f / r
      cosine = g / r
      g = diagonal[i + 1] - shift
      r = (diagonal[i] - g) * sine + 2 * cosine * b
      shift = sine * r
      diagonal[i + 1] = g + shift
      g = cosine * r - b
      let (upper, lower) = (rows.baseAddress! + i * n, rows.baseAddress! + (i + 1) * n)
      for k in 0..<n {
        let (x, y) = (upper[k], lower[k])
        lower[k] = sine * x + cosine * y
        upper[k] = cosine * x - sine * y
      }
      i -= 1
    }
    diagonal[low] -= shift
    beside[low] = g
    beside[high] = 0
  }

  private static func hypotenuse(_ x: Double, _ y: Double) -> Double {
    let (large, small) = (max(abs(x), abs(y)), min(abs(x), abs(y)))
    if large == 0 { return 0 }
    let ratio = small / large
    return large * (1 + ratio * ratio).squareRoot()
  }
}
