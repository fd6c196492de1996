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

  /// Takes in rows.
  /// - Parameters:
  ///   - inputs: `[rows, depth]`.
  ///   - samples: the number in the dataset of each row's sample, which decides its fold.
  mutating func add(_ inputs: UnsafeBufferPointer<Float>, group: Int, samples: [Int]) {
    precondition(inputs.count == samples.count * depth)
    if depth == 0 { return }
    rows[group] += samples.count
    let start = group * depth
    for (number, sample) in samples.enumerated() {
      let fold = sample % Self.foldCount
      foldRows[group * Self.foldCount + fold] += 1
      let row = UnsafeBufferPointer(rebasing: inputs[number * depth..<(number + 1) * depth])
      if !sums.isEmpty {
        for k in 0..<depth { sums[start + k] += Double(row[k]) }
      }
      if !squares.isEmpty {
        for k in 0..<depth { squares[start + k] += Double(row[k]) * Double(row[k]) }
      }
      if !foldSquares.isEmpty {
        for k in 0..<depth { foldSquares[fold][start + k] += Double(row[k]) * Double(row[k]) }
      }
      if !magnitudes.isEmpty {
        for k in 0..<depth {
          magnitudes[start + k] += Double(abs(row[k]))
          largest[start + k] = max(largest[start + k], abs(row[k]))
        }
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
