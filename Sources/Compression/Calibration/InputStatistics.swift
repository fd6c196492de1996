/// What a method wants to know of a layer's inputs.
struct StatisticsNeed: OptionSet, Sendable {
  let rawValue: Int
  static let mean = StatisticsNeed(rawValue: 1)
  static let meanSquare = StatisticsNeed(rawValue: 2)
  /// Mean and largest |x|.
  static let magnitude = StatisticsNeed(rawValue: 4)
  static let gram = StatisticsNeed(rawValue: 8)
  /// E[x²] of eighths of the samples.
  static let folds = StatisticsNeed(rawValue: 16)
}

/// The inputs of a layer on the calibration data.
///
/// Index: the row k of the layer's matrix; those of the groups of a convolution follow each other. What was not asked
/// for is empty.
struct InputStatistics: Sendable, Equatable {
  /// Samples times positions.
  var rows: Int
  var mean: [Double]
  var meanSquare: [Double]
  var meanMagnitude: [Float]
  var largest: [Float]
  /// (1/rows) XᵀX, one for each group.
  var gram: [SymmetricMatrix]
  /// E[x²] of every eighth sample, eight times; of all samples for a fold that has none.
  var folds: [[Double]]
}

/// `InputStatistics` in the making: sums in float64 that grow with the depth, not with the number of samples.
struct InputStatisticsSum: Sendable {
  static let foldCount = 8

  private let depth: Int
  private let need: StatisticsNeed
  /// Rows seen of each group, and of each fold of it.
  private var rows: [Int]
  private var foldRows: [Int]
  private var sums: [Double]
  private var squares: [Double]
  private var magnitudes: [Double]
  private var largest: [Float]
  private var foldSquares: [[Double]]
  private var moments: [MomentSum]

  /// - Parameter depth: of one group's matrix.
  init(depth: Int, groups: Int, _ need: StatisticsNeed) {
    self.depth = depth
    self.need = need
    let zeros = [Double](repeating: 0, count: depth * groups)
    rows = [Int](repeating: 0, count: groups)
    foldRows = [Int](repeating: 0, count: groups * Self.foldCount)
    sums = need.contains(.mean) ? zeros : []
    squares = need.contains(.meanSquare) || need.contains(.folds) ? zeros : []
    magnitudes = need.contains(.magnitude) ? zeros : []
    largest = need.contains(.magnitude) ? [Float](repeating: 0, count: zeros.count) : []
    foldSquares = need.contains(.folds) ? Array(repeating: zeros, count: Self.foldCount) : []
    moments = need.contains(.gram) ? Array(repeating: MomentSum(size: depth), count: groups) : []
  }

  /// Takes in rows that one sample gave.
  /// - Parameters:
  ///   - inputs: `[rows, depth]`.
  ///   - sample: the sample's number in the dataset, which decides its fold.
  mutating func add(_ inputs: UnsafeBufferPointer<Float>, group: Int, sample: Int) {
    if depth == 0 { return }
    precondition(inputs.count % depth == 0 && sample >= 0)
    let fold = sample % Self.foldCount
    rows[group] += inputs.count / depth
    foldRows[group * Self.foldCount + fold] += inputs.count / depth
    for (index, input) in inputs.enumerated() {
      let place = group * depth + index % depth
      let value = Double(input)
      if !sums.isEmpty { sums[place] += value }
      if !squares.isEmpty { squares[place] += value * value }
      if !foldSquares.isEmpty { foldSquares[fold][place] += value * value }
      if !magnitudes.isEmpty {
        magnitudes[place] += abs(value)
        largest[place] = max(largest[place], abs(input))
      }
    }
    if !moments.isEmpty { moments[group].add(inputs) }
  }

  /// Nil when nothing was seen, or something that is not finite.
  var statistics: InputStatistics? {
    guard let first = rows.first, first > 0 else { return nil }
    let (depth, rows, foldRows) = (depth, rows, foldRows)
    func means(_ sums: [Double]) -> [Double] {
      sums.indices.map { sums[$0] / Double(max(rows[$0 / depth], 1)) }
    }
    let meanSquare = means(squares)
    let folds = foldSquares.enumerated().map { fold, sums in
      sums.indices.map { index in
        let count = foldRows[index / depth * Self.foldCount + fold]
        return count > 0 ? sums[index] / Double(count) : meanSquare[index]
      }
    }
    let result = InputStatistics(
      rows: first, mean: means(sums), meanSquare: need.contains(.meanSquare) ? meanSquare : [],
      meanMagnitude: means(magnitudes).map { Float($0) }, largest: largest, gram: moments.map(\.moments),
      folds: folds)
    let isFinite =
      (result.mean + meanSquare).allSatisfy(\.isFinite) && result.largest.allSatisfy(\.isFinite)
      && result.meanMagnitude.allSatisfy(\.isFinite)
      && result.gram.allSatisfy { $0.elements.allSatisfy(\.isFinite) }
    return isFinite ? result : nil
  }
}
