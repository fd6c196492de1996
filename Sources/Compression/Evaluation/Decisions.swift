/// What an output decides: a class for each position of each row.
///
/// `[rows, classes]` is one decision a row, `[rows, positions, classes]` one for each position, as text recognisers
/// and language models have them. `[rows, 1]` with nothing outside 0 … 1 is the probability of one class, decided at
/// one half. Maps, `[rows, channels, height, width]`, decide nothing: pixels of the background would outvote the others.
struct Decisions: Sendable, Equatable {
  let rows: Int
  let positions: Int
  /// `[rows, positions]`.
  let classes: [Int]

  /// - Parameters:
  ///   - scores: row-major.
  ///   - rows: the first so many are looked at.
  /// - Returns: nil when the shape or the values are no decisions, as those of a regression.
  init?(_ scores: [Float], shape: [Int], rows: Int) {
    guard shape.count >= 2, shape.allSatisfy({ $0 > 0 }), rows > 0, rows <= shape[0] else { return nil }
    guard scores.count == shape.reduce(1, *) else { return nil }
    // Axes of one element say nothing: `[rows, classes, 1, 1]` are scores of classifiers too.
    let inner = shape.dropFirst().filter { $0 != 1 }
    if shape.count == 4 && shape[2] > 1 && shape[3] > 1 { return nil }
    self.rows = rows
    switch inner.count {
    case 0:
      guard scores[..<rows].allSatisfy({ (0...1).contains($0) }) else { return nil }
      positions = 1
      classes = scores[..<rows].map { $0 >= 0.5 ? 1 : 0 }
    case 1, 2:
      let width = inner[inner.count - 1]
      let places = inner.count == 2 ? inner[0] : 1
      positions = places
      classes = (0..<rows * places).map { Self.argmax(scores[$0 * width..<($0 + 1) * width]) }
    default: return nil
    }
  }

  /// Equal scores go to the first class, as numpy's argmax has it; so does what is not a number.
  private static func argmax(_ scores: ArraySlice<Float>) -> Int {
    var best = scores.startIndex
    for index in scores.indices
    where scores[index] > scores[best] || (scores[best].isNaN && !scores[index].isNaN) {
      best = index
    }
    return best - scores.startIndex
  }
}
