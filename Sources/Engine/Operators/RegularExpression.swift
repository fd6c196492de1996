/// A regular expression in the common part of RE2's syntax (https://github.com/google/re2/wiki/Syntax), matched
/// in time proportional to text times pattern: all alternatives advance together and none is tried again.
///
/// Takes literals, `.`, classes with ranges, `\d \w \s` and their opposites, groups, `|`, `* + ? {n,m}` (lazy ones
/// too, which make no difference to a full match), `^ $ \A \z \b \B`, and the flags `(?i)` and `(?s)` at the start.
struct RegularExpression: Sendable {
  /// More states than this are refused, and so are more visits of the tree: a nest of counted repetitions can ask for
  /// any number, even of nothing.
  static let stateLimit = 10_000

  struct CharacterSet: Sendable {
    var ranges: [ClosedRange<UInt32>] = []
    var isNegated = false

    /// `\w`, as RE2 has it: ASCII only.
    static let word = CharacterSet(ranges: [48...57, 65...90, 95...95, 97...122])

    func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } != isNegated }
  }

  enum State: Sendable {
    case character(CharacterSet, next: Int)
    case split(Int, Int)
    case start(next: Int)
    case end(next: Int)
    case wordBoundary(isThere: Bool, next: Int)
    case accept
  }

  private let states: [State]
  private let first: Int
  private let ignoresCase: Bool

  /// - Throws: `OperatorFailure.unsupported` for a pattern that is wrong or uses more than the syntax above.
  init(_ pattern: String) throws {
    var parser = RegularExpressionParser(pattern)
    let tree = try parser.parse()
    ignoresCase = parser.ignoresCase
    var builder = StateBuilder()
    let accept = try builder.add(.accept)
    first = try builder.build(tree, next: accept)
    states = builder.states
  }

  /// Whether the whole of `text` matches.
  func matchesAll(_ text: String) -> Bool {
    let scalars = (ignoresCase ? text.lowercased() : text).unicodeScalars.map(\.value)
    var current = closure([first], at: 0, of: scalars)
    for (position, scalar) in scalars.enumerated() {
      var next: [Int] = []
      for index in current {
        if case .character(let set, let target) = states[index], set.contains(scalar) { next.append(target) }
      }
      if next.isEmpty { return false }
      current = closure(next, at: position + 1, of: scalars)
    }
    return current.contains { if case .accept = states[$0] { true } else { false } }
  }

  /// All states that are reached without reading a character.
  private func closure(_ seeds: [Int], at position: Int, of scalars: [UInt32]) -> [Int] {
    var isSeen = [Bool](repeating: false, count: states.count)
    var pending = seeds
    var result: [Int] = []
    while let index = pending.popLast() {
      if isSeen[index] { continue }
      isSeen[index] = true
      switch states[index] {
      case .split(let a, let b): pending += [b, a]
      case .start(let next): if position == 0 { pending.append(next) }
      case .end(let next): if position == scalars.count { pending.append(next) }
      case .wordBoundary(let isThere, let next):
        let isBoundary = Self.isWord(scalars, position - 1) != Self.isWord(scalars, position)
        if isBoundary == isThere { pending.append(next) }
      case .character, .accept: result.append(index)
      }
    }
    return result
  }

  private static func isWord(_ scalars: [UInt32], _ position: Int) -> Bool {
    scalars.indices.contains(position) && CharacterSet.word.contains(scalars[position])
  }

  /// Thompson's construction: each node of the tree becomes states that lead to `next`.
  private struct StateBuilder {
    var states: [State] = []
    private var visits = 0

    mutating func add(_ state: State) throws -> Int {
      if states.count >= RegularExpression.stateLimit {
        throw OperatorFailure.unsupported("the pattern is too large")
      }
      states.append(state)
      return states.count - 1
    }

    mutating func build(_ node: RegularExpressionNode, next: Int) throws -> Int {
      visits += 1
      if visits > 4 * RegularExpression.stateLimit {
        throw OperatorFailure.unsupported("the pattern is too large")
      }
      switch node {
      case .empty: return next
      case .character(let set): return try add(.character(set, next: next))
      case .start: return try add(.start(next: next))
      case .end: return try add(.end(next: next))
      case .wordBoundary(let isThere): return try add(.wordBoundary(isThere: isThere, next: next))
      case .sequence(let parts):
        var target = next
        for part in parts.reversed() { target = try build(part, next: target) }
        return target
      case .choice(let options):
        var target = try build(options[options.count - 1], next: next)
        for option in options.dropLast().reversed() {
          target = try add(.split(try build(option, next: next), target))
        }
        return target
      case .repetition(let part, let least, let most):
        var target = next
        if let most {
          for _ in least..<most { target = try add(.split(try build(part, next: target), next)) }
        } else {
          let loop = try add(.split(next, next))
          states[loop] = .split(try build(part, next: loop), next)
          target = loop
        }
        for _ in 0..<least { target = try build(part, next: target) }
        return target
      }
    }
  }
}

indirect enum RegularExpressionNode {
  case empty, start, end
  case wordBoundary(isThere: Bool)
  case character(RegularExpression.CharacterSet)
  case sequence([RegularExpressionNode])
  case choice([RegularExpressionNode])
  case repetition(RegularExpressionNode, least: Int, most: Int?)
}
