import GraphIR
import Tensors
import Testing

@testable import Engine

private func texts(_ shape: Shape, _ values: [String]) -> Tensor {
  try! Tensor(shape: shape, strings: values)
}

@Suite struct StringOperatorTests {
  struct Pattern: Sendable {
    let pattern: String
    let matches: [String]
    let others: [String]
  }

  static let patterns: [Pattern] = [
    Pattern(pattern: "a|bc", matches: ["a", "bc"], others: ["ab", "", "abc"]),
    Pattern(pattern: "a{2,3}?", matches: ["aa", "aaa"], others: ["a", "aaaa"]),
    Pattern(pattern: "[^a-c]+\\d", matches: ["xyz7"], others: ["a7", "x", "7"]),
    Pattern(pattern: "(?i)[A-C]x", matches: ["bX", "Bx"], others: ["dx"]),
    Pattern(pattern: "^(?:ab)*$", matches: ["", "abab"], others: ["aba"]),
    Pattern(pattern: "a.b", matches: ["aéb"], others: ["a\nb"]),
    Pattern(pattern: "x{,2}", matches: ["x{,2}"], others: ["xx"]),
    Pattern(pattern: "a\\b.b", matches: ["a b"], others: ["aab"]),
  ]

  @Test(arguments: patterns) func regularExpression(_ row: Pattern) throws {
    let expression = try RegularExpression(row.pattern)
    for text in row.matches { #expect(expression.matchesAll(text), "\(row.pattern) \(text)") }
    for text in row.others { #expect(!expression.matchesAll(text), "\(row.pattern) \(text)") }
  }

  /// Would take longer than anyone waits if alternatives were tried one after the other.
  @Test func nestedRepetitionIsLinear() throws {
    let expression = try RegularExpression("(a*)*b")
    #expect(!expression.matchesAll(String(repeating: "a", count: 2000)))
  }

  @Test(arguments: [
    "(", "a)", "*a", "[a", "a{5,2}", "(?=a)", "\\1", "(((a{1000}){1000}){1000})",
    "(((){1000}){1000}){1000}", "\\",
  ])
  func refusedPattern(_ pattern: String) {
    #expect(throws: OperatorFailure.self) { try RegularExpression(pattern) }
  }

  @Test func movementOfStrings() throws {
    let x = texts([2, 2], ["a", "b", "é", "e\u{301}"])
    #expect(try OperatorRunner.run("Transpose", [x]) == [texts([2, 2], ["a", "é", "b", "e\u{301}"])])
    #expect(try OperatorRunner.run("Reshape", [x, ints(4)]) == [texts([4], ["a", "b", "é", "e\u{301}"])])
    #expect(
      try OperatorRunner.run("Gather", [x, ints(1)], ["axis": .int(0)])
        == [texts([1, 2], ["é", "e\u{301}"])])
    #expect(
      try OperatorRunner.run("Concat", [x, texts([2, 1], ["p", "q"])], ["axis": .int(1)])
        == [texts([2, 3], ["a", "b", "p", "é", "e\u{301}", "q"])])
    #expect(
      try OperatorRunner.run("Where", [bools(true, false), texts([2], ["x", "y"]), texts([], ["z"])])
        == [texts([2], ["x", "z"])])
  }

  /// The same character in two spellings is two strings.
  @Test func equalityIsOfBytes() throws {
    let result = try OperatorRunner.run("Equal", [texts([2], ["é", "a"]), texts([2], ["e\u{301}", "a"])])
    #expect(result == [bools(false, true)])
  }

  @Test func casts() throws {
    let numbers = try OperatorRunner.run("Cast", [texts([3], ["1.5", "-inf", "1e3"])], ["to": .int(1)])
    #expect(numbers == [floats([3], [1.5, -.infinity, 1000])])
    let strings = try OperatorRunner.run("Cast", [ints(7, -3)], ["to": .int(8)])
    #expect(strings == [texts([2], ["7", "-3"])])
    #expect(throws: EngineError.self) {
      try OperatorRunner.run("Cast", [texts([1], ["x"])], ["to": .int(7)])
    }
  }

  @Test func split() throws {
    let result = try OperatorRunner.run(
      "StringSplit", [texts([2], ["a  b c ", ""])], outputs: 2, ["maxsplit": .int(1)])
    #expect(result == [texts([2, 2], ["a", "b c ", "", ""]), ints(2, 0)])
  }

  @Test func ngrams() throws {
    let result = try OperatorRunner.run(
      "TfIdfVectorizer", [ints([2, 4], [1, 2, 1, 2, 2, 2, 3, 1])],
      [
        "mode": .string("TFIDF"), "min_gram_length": .int(1), "max_gram_length": .int(2),
        "max_skip_count": .int(1), "ngram_counts": .ints([0, 2]), "ngram_indexes": .ints([0, 1, 3]),
        "pool_int64s": .ints([1, 2, 1, 2]), "weights": .floats([1, 1, 0.5]),
      ])
    #expect(result == [floats([2, 4], [2, 2, 0, 1, 1, 2, 0, 0])])
  }
}
