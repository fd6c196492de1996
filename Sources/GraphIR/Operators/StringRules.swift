import Tensors

/// Operators on strings.
enum StringRules {
  static let all: [OperatorRule] = [
    OperatorRule(
      "StringNormalizer", inputs: 1...1,
      attributes: ["case_change_action", "is_case_sensitive", "locale", "stopwords"], infer: inferNormalizer),
    OperatorRule("StringConcat", inputs: 2...2) { context throws(GraphError) in
      for input in 0..<2 { try context.expect(input, .string) }
      context.setOutput(0, .string, try context.broadcast(context.dimensions(0), context.dimensions(1)))
    },
    OperatorRule("StringSplit", inputs: 1...1, outputs: 2...2, attributes: ["delimiter", "maxsplit"]) {
      context throws(GraphError) in
      try context.expect(0, .string)
      context.setOutput(0, .string, context.dimensions(0).map { $0 + [.unknown] })
      context.setOutput(1, .int64, context.dimensions(0))
    },
    OperatorRule("RegexFullMatch", inputs: 1...1, attributes: ["pattern"]) { context throws(GraphError) in
      try context.expect(0, .string)
      if try context.node.optionalString("pattern") == nil {
        throw context.error("attribute 'pattern' is required")
      }
      context.setOutput(0, .bool, context.dimensions(0))
    },
    OperatorRule(
      "TfIdfVectorizer", inputs: 1...1,
      attributes: [
        "max_gram_length", "max_skip_count", "min_gram_length", "mode", "ngram_counts", "ngram_indexes",
        "pool_int64s", "pool_strings", "weights",
      ], infer: inferVectorizer),
  ]

  @Sendable private static func inferNormalizer(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, .string)
    try context.expectRank(0, 1...2)
    let rank = context.dimensions(0)?.count
    context.setOutput(0, .string, rank.map { $0 == 1 ? [.unknown] : [.known(1), .unknown] })
  }

  @Sendable private static func inferVectorizer(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(0, [.string, .index])
    try context.expectRank(0, 0...2)
    let attributes = try TfIdfAttributes(context.node)
    let columns = Dimension.known(attributes.columns)
    context.setOutput(
      0, .float32, context.dimensions(0).map { $0.count == 2 ? [$0[0], columns] : [columns] })
  }
}

/// `TfIdfVectorizer`.
public struct TfIdfAttributes: Sendable {
  public enum Mode: String, CaseIterable, Sendable {
    case frequency = "TF"
    case inverse = "IDF"
    case both = "TFIDF"
  }

  public let mode: Mode
  public let lengths: ClosedRange<Int>
  public let maximumSkip: Int
  /// Where the n-grams of one, two, … items begin in the pool.
  public let counts: [Int]
  /// The output column of each n-gram.
  public let indexes: [Int]
  public let columns: Int
  public let integers: [Int]?
  public let strings: [String]?
  /// One for each n-gram; nil: all 1.
  public let weights: [Float]?

  public init(_ node: Node) throws(GraphError) {
    guard try node.optionalString("mode") != nil else { throw node.error("attribute 'mode' is required") }
    mode = try node.choice("mode", default: .frequency)
    let shortest = try node.requiredInt("min_gram_length")
    let longest = try node.requiredInt("max_gram_length")
    maximumSkip = try node.requiredInt("max_skip_count")
    if shortest < 1 || longest < shortest || longest > 1 << 16 || maximumSkip < 0 || maximumSkip > 1 << 16 {
      throw node.error("n-grams of \(shortest) to \(longest) items that skip \(maximumSkip) are not possible")
    }
    lengths = shortest...longest
    counts = try node.ints("ngram_counts") ?? []
    indexes = try node.ints("ngram_indexes") ?? []
    integers = try node.ints("pool_int64s")
    strings = try node.strings("pool_strings")
    weights = try node.floats("weights")
    if (integers == nil) == (strings == nil) {
      throw node.error("exactly one of 'pool_int64s' and 'pool_strings' must be there")
    }
    let pool = integers?.count ?? strings?.count ?? 0
    if indexes.contains(where: { $0 < 0 || $0 > 1 << 32 }) {
      throw node.error("attribute 'ngram_indexes' holds an index that is out of range")
    }
    if let weights, weights.count != indexes.count {
      throw node.error("\(weights.count) weights for \(indexes.count) n-grams")
    }
    var ngrams = 0
    for (position, start) in counts.enumerated() {
      let end = position + 1 < counts.count ? counts[position + 1] : pool
      if start < 0 || end < start || end > pool || (end - start) % (position + 1) != 0 {
        throw node.error("attribute 'ngram_counts' does not fit a pool of \(pool) items")
      }
      ngrams += (end - start) / (position + 1)
    }
    if ngrams != indexes.count { throw node.error("\(indexes.count) indexes for \(ngrams) n-grams") }
    columns = (indexes.max() ?? -1) + 1
  }
}
