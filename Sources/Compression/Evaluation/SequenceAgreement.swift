/// How alike two models read sequences whose positions are aligned by chance only, as those of text recognisers.
///
/// Such outputs are read by leaving out repeated classes and the blank, class 0 (connectionist temporal classification,
/// Graves et al. 2006): where a symbol begins does not matter. A symbol that ends most sequences, as the space of text
/// recognisers does, fills what is left of an input: at the ends of a sequence it is left out too.
struct SequenceAgreement: Sendable {
  private typealias Pair = (reference: [Int], candidate: [Int])

  private static let mostPositions = 2048
  /// The part of blanks from which on an output counts as such.
  private static let leastBlanks = 0.2
  /// How many sequences are looked at for a symbol that fills them, and how many that takes at least.
  private static let fillingRows = 8...64

  private var positions = 0
  private var blanks = 0
  private var symbols = 0
  private var edits = 0
  private var isPossible = true
  /// Sequences that wait for `filling` to be known.
  private var waiting: [Pair] = []
  private var filling: Int?

  mutating func add(_ reference: Decisions, _ candidate: Decisions) {
    let count = reference.positions
    if count < 2 || count > Self.mostPositions || candidate.positions != count { isPossible = false }
    if !isPossible { return }
    let isSettled = positions > 0 && waiting.isEmpty
    positions += reference.classes.count
    blanks += reference.classes.count { $0 == 0 }
    for row in 0..<reference.rows {
      let range = row * count..<(row + 1) * count
      let pair = (Self.symbols(reference.classes[range]), Self.symbols(candidate.classes[range]))
      if isSettled { compare(pair) } else { waiting.append(pair) }
    }
    if waiting.count >= Self.fillingRows.upperBound { settle() }
  }

  /// 1 less the edits by the symbols of the reference; nil for outputs that are no such sequences.
  var value: Double? {
    var all = self
    all.settle()
    let isAligned = Double(blanks) < Self.leastBlanks * Double(positions)
    if !isPossible || all.symbols == 0 || isAligned { return nil }
    return max(0, 1 - Double(all.edits) / Double(all.symbols))
  }

  /// Decides which symbol fills the sequences, and compares those that waited for it.
  private mutating func settle() {
    if waiting.isEmpty { return }
    if waiting.count >= Self.fillingRows.lowerBound {
      var ends: [Int: Int] = [:]
      for pair in waiting { if let last = pair.reference.last { ends[last, default: 0] += 1 } }
      // No two symbols can end more than half of the sequences.
      filling = ends.first { 2 * $0.value > waiting.count }?.key
    }
    let pairs = waiting
    waiting = []
    for pair in pairs { compare(pair) }
  }

  private mutating func compare(_ pair: Pair) {
    let (left, right) = (trimmed(pair.reference), trimmed(pair.candidate))
    symbols += left.count
    edits += Self.distance(left, right)
  }

  private func trimmed(_ symbols: [Int]) -> [Int] {
    guard let filling, let first = symbols.firstIndex(where: { $0 != filling }),
      let last = symbols.lastIndex(where: { $0 != filling })
    else { return filling == nil ? symbols : [] }
    return Array(symbols[first...last])
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
