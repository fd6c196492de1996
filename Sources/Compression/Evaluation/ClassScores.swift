import Glibc
import Tensors

/// An output read as scores: of each class, for each position of each row.
///
/// `[rows, classes]` has one position, `[rows, positions, classes]` several. `[rows, 1]` with nothing outside 0 … 1 is
/// the probability of the second of two classes. Equal scores rank by class index, as numpy's argmax does.
struct ClassScores {
  let rows: Int
  let positions: Int
  /// 1 for the probability of one of two classes.
  let classes: Int
  let decisions: Decisions
  private let scores: [Float]

  /// - Parameter rows: the first so many are looked at.
  /// - Returns: nil for what is no scores, as the outputs of a regression.
  init?(_ output: Tensor, rows: Int) {
    guard output.type == .float32 else { return nil }
    scores = output.array(of: Float.self)
    guard let decisions = Decisions(scores, shape: output.shape.dimensions, rows: rows) else { return nil }
    self.decisions = decisions
    self.rows = rows
    positions = decisions.positions
    classes = output.elementCount / output.shape[0] / positions
  }

  /// True for embeddings: rows of length one with negative elements, whose largest element decides nothing.
  var areUnitVectors: Bool {
    if positions != 1 || classes == 1 { return false }
    var hasNegatives = false
    for place in 0..<rows {
      var squares: Float = 0
      for score in row(place) {
        squares += score * score
        if score < 0 { hasNegatives = true }
      }
      if !(abs(squares - 1) < 1e-3) { return false }
    }
    return hasNegatives
  }

  /// How many decisions there are.
  var count: Int { rows * positions }

  /// The scores at position `place % positions` of row `place / positions`.
  func row(_ place: Int) -> ArraySlice<Float> { scores[place * classes..<(place + 1) * classes] }

  func argmax(_ place: Int) -> Int { decisions.classes[place] }

  /// How many classes stand before `label`; nil when there is no such class.
  func rank(of label: Int, inRow place: Int) -> Int? {
    if classes > 1 { return RankScore.rank(of: label, in: row(place)) }
    guard label == 0 || label == 1 else { return nil }
    return decisions.classes[place] == label ? 0 : 1
  }

  /// Scores of the classes at all places, `[count, classes]`.
  var all: ArraySlice<Float> { scores[..<(count * classes)] }

  /// The logarithms of the class probabilities: of the row itself where it holds probabilities already, else of its
  /// softmax.
  func logProbabilities(_ place: Int) -> [Double] {
    let values = row(place).map(Double.init)
    if classes == 1 { return [Self.logarithm(1 - values[0]), Self.logarithm(values[0])] }
    let isDistribution =
      values.allSatisfy { $0 >= 0 && $0 <= 1 } && abs(values.reduce(0, +) - 1) < 1e-3
    if isDistribution { return values.map(Self.logarithm) }
    let largest = values.max() ?? 0
    let sum = values.reduce(0) { $0 + exp($1 - largest) }
    return values.map { $0 - largest - log(sum) }
  }

  /// Probabilities that were rounded to nothing count as the least float32.
  private static func logarithm(_ probability: Double) -> Double {
    log(max(probability, Double(Float.leastNormalMagnitude)))
  }
}
