import CKernels
import Tensors

/// How much of a matrix is not zero.
struct WeightDensity: Hashable {
  /// The share of its elements.
  let elements: Double
  /// The shares of its blocks of one row and 4, or 16, columns in which any element is not zero.
  let quads: Double
  let panelRows: Double
  /// No more than two of every four elements of a column, one below the other, are not zero.
  var isTwoOfFour = false

  /// Below this many elements no form but the dense one is worth asking for.
  private static let smallestMatrix = 8192
  private static let samples = 1024
  /// With fewer elements than this the forms for any pattern are the faster ones for 2:4 too.
  private static let twoOfFourShare = 0.25

  /// False when the matrix is small, or when a sample of it says that more than three quarters are not zero.
  static func isWorthCounting(_ matrix: WeightMatrix) -> Bool {
    let count = matrix.depth * matrix.columns
    guard count >= smallestMatrix else { return false }
    // An odd step does not fall in step with the patterns of 2:4 or blocks.
    let step = max(1, count / samples) | 1
    var (zeros, seen) = (0, 0)
    matrix.tensor.withUnalignedBytes { bytes in
      for index in stride(from: 0, to: count, by: step) {
        if bytes.loadUnaligned(fromByteOffset: index * 4, as: Float.self) == 0 { zeros += 1 }
        seen += 1
      }
    }
    return zeros * 4 >= seen
  }

  /// The forms that may beat the dense one, with the share of the matrix that each stores.
  var candidates: [(kind: WeightFormKind, density: Double)] {
    var candidates: [(kind: WeightFormKind, density: Double)] = []
    if elements <= 0.6 { candidates += [(.sparse, elements), (.sparseColumns, elements)] }
    if quads <= 0.7 && quads < 2 * elements { candidates.append((.sparseQuads, quads)) }
    if panelRows <= 0.85 { candidates.append((.sparsePanel, panelRows)) }
    if isTwoOfFour { candidates.append((.twoOfFour, 0.5)) }
    return candidates
  }

  /// What a form stores, whether it promises anything or not.
  func stored(by kind: WeightFormKind) -> Double {
    switch kind {
    case .dense: 1
    case .sparse, .sparseColumns: elements
    case .sparseQuads: quads
    case .sparsePanel: panelRows
    case .twoOfFour: 0.5
    }
  }
}

extension WeightDensity {
  /// Counts all elements.
  init(_ matrix: WeightMatrix) {
    self = matrix.tensor.withUnalignedBytes { WeightDensity(matrix, $0) }
  }

  private init(_ matrix: WeightMatrix, _ bytes: UnsafeRawBufferPointer) {
    let width = Int(ADZE_SPARSE_BLOCK)
    let panels = (matrix.columns - 1) / width + 1
    let (stride, columnCount) = (matrix.nStride, matrix.columns)
    /// Elements that are not zero from `column` to `end`.
    func count(_ k: Int, _ column: Int, _ end: Int) -> Int {
      var (count, place) = (0, k * matrix.kStride + column * stride)
      for _ in column..<end {
        if bytes.loadUnaligned(fromByteOffset: place * 4, as: Float.self) != 0 { count += 1 }
        place += stride
      }
      return count
    }
    var (nonZero, quads, rows) = (0, 0, 0)
    for panel in 0..<panels {
      let end = min(columnCount, (panel + 1) * width)
      for k in 0..<matrix.depth {
        var panelCount = 0
        var column = panel * width
        while column < end {
          let next = min(end, column + 4)
          let quadCount = count(k, column, next)
          if quadCount > 0 { quads += 1 }
          panelCount += quadCount
          column = next
        }
        nonZero += panelCount
        if panelCount > 0 { rows += 1 }
      }
    }
    self.elements = Double(nonZero) / Double(matrix.depth * columnCount)
    self.quads = Double(quads) / Double(matrix.depth * ((columnCount + 3) / 4))
    panelRows = Double(rows) / Double(matrix.depth * panels)
    if elements >= Self.twoOfFourShare && elements <= 0.6 && matrix.fitsSparseForms {
      // The kernel's own packing says which patterns it takes.
      let size = Kernels.current.pack_b_2of4_f32(
        bytes.baseAddress!.assumingMemoryBound(to: Float.self), matrix.kStride, matrix.nStride, matrix.depth,
        columnCount, nil)
      isTwoOfFour = size > 0
    }
  }
}
