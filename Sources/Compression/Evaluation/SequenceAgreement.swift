/// How alike two models read sequences whose positions are aligned by chance only, as those of text recognisers.
///
/// Such outputs are read by leaving out repeated classes and the blank, class 0 (connectionist temporal classification,
/// Graves et al. 2006): where a symbol begins does not matter.
struct SequenceAgreement: Sendable {
  private static let mostPositions = 2048
  /// The part of blanks from which on an output counts as such.
  private static let leastBlanks = 0.2

  private var positions = 0
  private var blanks = 0
  private var symbols = 0
  private var edits = 0
  private var isPossible = true

  mutating func add(_ reference: Decisions, _ candidate: Decisions) {
    let count = reference.positions
    if count < 2 || count > Self.mostPositions || candidate.positions != count { isPossible = false }
    if !isPossible { return }
    positions += reference.classes.count
    blanks += reference.classes.count { $0 == 0 }
    for row in 0..<reference.rows {
      let range = row * count..<(row + 1) * count
      let (left, right) = (Self.symbols(reference.classes[range]), Self.symbols(candidate.classes[range]))
      symbols += left.count
      edits += Self.distance(left, right)
    }
  }

  /// 1 less the edits by the symbols of the reference; nil for outputs that are no such sequences.
  var value: Double? {
    let isAligned = Double(blanks) < Self.leastBlanks * Double(positions)
    if !isPossible || symbols == 0 || isAligned { return nil }
    return max(0, 1 - Double(edits) / Double(symbols))
  }

  static func symbols(_ classes: ArraySlice<Int>) -> [Int] {
    var result: [Int] = []
    var last = 0
    for symbol in classes {
      if symbol != last && symbol != 0 { result.append(symbol) }
      last = symbol
    }
    return result
  }

  /// Insertions, deletions and replacements (Levenshtein 1966).
  static func distance(_ left: [Int], _ right: [Int]) -> Int {
    var row = Array(0...right.count)
    for (i, symbol) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in right.enumerated() {
        let replaced = diagonal + (symbol == other ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }
}
