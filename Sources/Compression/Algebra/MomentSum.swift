/// Σ xxᵀ over rows of inputs, streamed in float64: what becomes the second moment G = (1/n) XᵀX.
struct MomentSum: Sendable {
  let size: Int
  private(set) var rows = 0
  /// The upper triangle is kept; what lies below the diagonal has no meaning.
  private var sums: [Double]

  private static let block = 64

  init(size: Int) {
    self.size = size
    sums = [Double](repeating: 0, count: size * size)
  }

  /// - Parameter inputs: `[rows, size]`.
  mutating func add(_ inputs: UnsafeBufferPointer<Float>) {
    if size == 0 { return }
    precondition(inputs.count % size == 0)
    let count = inputs.count / size
    rows += count
    let size = size
    var panel = [Double](repeating: 0, count: Self.block * size)
    var factors = panel
    sums.withUnsafeMutableBufferPointer { sums in
      panel.withUnsafeMutableBufferPointer { panel in
        factors.withUnsafeMutableBufferPointer { factors in
          // None is empty, as the size is not 0.
          let (s, p, f) = (sums.baseAddress!, panel.baseAddress!, factors.baseAddress!)
          for start in stride(from: 0, to: count, by: Self.block) {
            let height = min(Self.block, count - start)
            for row in 0..<height {
              for k in 0..<size {
                let value = Double(inputs[(start + row) * size + k])
                p[row * size + k] = value
                f[k * height + row] = value
              }
            }
            for first in stride(from: 0, to: size, by: 256) {
              let end = min(first + 256, size)
              for k in 0..<end {
                let from = max(first, k)
                RowUpdate.add(
                  f + k * height, count: height, p + from, stride: size, to: s + (k * size + from),
                  columns: end - from, factor: 1)
              }
            }
          }
        }
      }
    }
  }

  /// G of the rows so far; zero when there were none.
  var moments: SymmetricMatrix {
    var elements = sums
    let scale = 1 / Double(max(rows, 1))
    for row in 0..<size {
      for column in row..<size {
        elements[row * size + column] *= scale
        elements[column * size + row] = elements[row * size + column]
      }
    }
    return SymmetricMatrix(size: size, elements: elements)
  }
}
