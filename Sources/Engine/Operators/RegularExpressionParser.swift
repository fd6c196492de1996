/// Reads the text of a regular expression.
struct RegularExpressionParser {
  typealias CharacterSet = RegularExpression.CharacterSet
  typealias Node = RegularExpressionNode

  private(set) var ignoresCase = false
  private var dotMatchesNewline = false
  private var scalars: [Unicode.Scalar]
  private var position = 0
  private var depth = 0
  /// Groups in groups.
  private static let depthLimit = 100
  /// As RE2.
  private static let repetitionLimit = 1000

  init(_ pattern: String) { scalars = Array(pattern.unicodeScalars) }

  mutating func parse() throws -> Node {
    try readFlags()
    let result = try choice()
    if position < scalars.count { throw failure("unexpected ')'") }
    return result
  }

  private func failure(_ reason: String) -> OperatorFailure { .unsupported("pattern: \(reason)") }

  private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    if peek != scalar { return false }
    position += 1
    return true
  }

  /// `(?i)`, `(?s)` or both at the start of the pattern.
  private mutating func readFlags() throws {
    guard scalars.starts(with: ["(", "?"]), let close = scalars.firstIndex(of: ")") else { return }
    let flags = scalars[2..<close]
    if flags.isEmpty || !flags.allSatisfy({ $0 == "i" || $0 == "s" }) { return }
    ignoresCase = flags.contains("i")
    dotMatchesNewline = flags.contains("s")
    position = close + 1
    if ignoresCase && scalars[position...].contains(where: { !$0.isASCII }) {
      throw failure("flag i is supported for ASCII patterns only")
    }
  }

  private mutating func choice() throws -> Node {
    depth += 1
    defer { depth -= 1 }
    if depth > Self.depthLimit { throw failure("groups are nested too deeply") }
    var options = [try sequence()]
    while take("|") { options.append(try sequence()) }
    return options.count == 1 ? options[0] : .choice(options)
  }

  private mutating func sequence() throws -> Node {
    var parts: [Node] = []
    while let next = peek, next != "|", next != ")" {
      let part = try atom()
      parts.append(try repeated(part))
    }
    return parts.isEmpty ? .empty : .sequence(parts)
  }

  private mutating func repeated(_ part: Node) throws -> Node {
    let bounds: (Int, Int?)
    switch peek {
    case "*": bounds = (0, nil)
    case "+": bounds = (1, nil)
    case "?": bounds = (0, 1)
    case "{":
      guard let counted = try countedBounds() else { return part }
      bounds = counted
    default: return part
    }
    position += 1
    _ = take("?")
    if let next = peek, next == "*" || next == "+" || next == "?" {
      throw failure("two repetitions in a row")
    }
    return .repetition(part, least: bounds.0, most: bounds.1)
  }

  /// `{n}`, `{n,}` or `{n,m}`, up to its closing brace; nil for a brace that is a plain character.
  private mutating func countedBounds() throws -> (Int, Int?)? {
    guard let close = scalars[position...].firstIndex(of: "}") else { return nil }
    let text = String(String.UnicodeScalarView(scalars[(position + 1)..<close]))
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard let least = Int(parts[0]), parts.count <= 2 else { return nil }
    var most: Int? = least
    if parts.count == 2 {
      most = nil
      if !parts[1].isEmpty {
        guard let bound = Int(parts[1]) else { return nil }
        most = bound
      }
    }
    if least < 0 || least > Self.repetitionLimit || (most ?? least) < least
      || (most ?? least) > Self.repetitionLimit
    {
      throw failure("bad repetition {\(text)}")
    }
    position = close
    return (least, most)
  }

  private mutating func atom() throws -> Node {
    let scalar = scalars[position]
    position += 1
    switch scalar {
    case "(": return try group()
    case "[": return .character(try bracket())
    case ".":
      return .character(CharacterSet(ranges: dotMatchesNewline ? [] : [10...10], isNegated: true))
    case "^": return .start
    case "$": return .end
    case "*", "+", "?": throw failure("nothing to repeat")
    case "\\": return try escape()
    default: return .character(single(scalar))
    }
  }

  private mutating func group() throws -> Node {
    if take("?") {
      if take("P") || peek == "<" {
        // A named group is a group.
        guard take("<"), let close = scalars[position...].firstIndex(of: ">") else {
          throw failure("bad group")
        }
        let name = scalars[position..<close]
        if name.isEmpty
          || !name.allSatisfy({ $0 == "_" || $0.properties.isAlphabetic || $0.properties.numericType != nil })
        {
          throw failure("bad group")
        }
        position = close + 1
      } else if !take(":") {
        throw failure("flags inside the pattern and look-around are not supported")
      }
    }
    let inner = try choice()
    if !take(")") { throw failure("missing ')'") }
    return inner
  }

  private func single(_ scalar: Unicode.Scalar) -> CharacterSet {
    var value = scalar.value
    if ignoresCase, (65...90).contains(value) { value += 32 }
    return CharacterSet(ranges: [value...value])
  }

  private mutating func escape() throws -> Node {
    guard let scalar = peek else { throw failure("ends in a backslash") }
    switch scalar {
    case "A":
      position += 1
      return .start
    case "z":
      position += 1
      return .end
    case "b", "B":
      position += 1
      return .wordBoundary(isThere: scalar == "b")
    default: return .character(try escapedSet())
    }
  }

  /// The characters that the escape at `position` stands for.
  private mutating func escapedSet() throws -> CharacterSet {
    guard let scalar = peek else { throw failure("ends in a backslash") }
    position += 1
    switch scalar {
    case "d", "D": return CharacterSet(ranges: [48...57], isNegated: scalar == "D")
    case "w", "W":
      return CharacterSet(ranges: CharacterSet.word.ranges, isNegated: scalar == "W")
    case "s", "S": return CharacterSet(ranges: [9...10, 12...13, 32...32], isNegated: scalar == "S")
    case "n": return CharacterSet(ranges: [10...10])
    case "t": return CharacterSet(ranges: [9...9])
    case "r": return CharacterSet(ranges: [13...13])
    case "f": return CharacterSet(ranges: [12...12])
    case "v": return CharacterSet(ranges: [11...11])
    default:
      if scalar.isASCII, scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
        throw failure("escape \\\(scalar) is not supported")
      }
      return single(scalar)
    }
  }

  private mutating func bracket() throws -> CharacterSet {
    var set = CharacterSet()
    set.isNegated = take("^")
    var isFirst = true
    while let scalar = peek, scalar != "]" || isFirst {
      isFirst = false
      if scalar == "[", position + 1 < scalars.count, scalars[position + 1] == ":" {
        throw failure("named classes are not supported")
      }
      let low = try bracketItem()
      guard peek == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
        if low.isNegated { throw failure("a negated class inside brackets is not supported") }
        set.ranges += low.ranges
        continue
      }
      position += 1
      let high = try bracketItem()
      guard low.ranges.count == 1, high.ranges.count == 1, !low.isNegated, !high.isNegated,
        low.ranges[0].count == 1, high.ranges[0].count == 1,
        low.ranges[0].lowerBound <= high.ranges[0].lowerBound
      else { throw failure("bad range in brackets") }
      set.ranges.append(low.ranges[0].lowerBound...high.ranges[0].lowerBound)
    }
    if !take("]") { throw failure("missing ']'") }
    if ignoresCase { addLowercase(&set) }
    return set
  }

  private mutating func bracketItem() throws -> CharacterSet {
    guard let scalar = peek else { throw failure("missing ']'") }
    position += 1
    if scalar == "\\" { return try escapedSet() }
    return CharacterSet(ranges: [scalar.value...scalar.value])
  }

  /// Texts are compared in lower case, so a range of upper-case letters stands for lower-case ones too.
  private func addLowercase(_ set: inout CharacterSet) {
    for range in set.ranges {
      let (low, high) = (max(range.lowerBound, 65), min(range.upperBound, 90))
      if low <= high { set.ranges.append((low + 32)...(high + 32)) }
    }
  }
}
