import Glibc

/// Adds up how surprised a model is by the right tokens: e to the mean of −log softmax(scores)[label].
struct PerplexityScore: Sendable {
  private var surprise = 0.0
  /// Positions that counted.
  private(set) var positions = 0

  /// Adds one position.
  /// - Parameters:
  ///   - scores: one for each token, before the softmax.
  ///   - label: the token that is right; a negative one says that the position does not count, as padding.
  /// - Returns: false when there is no such token.
  mutating func add(_ scores: some Collection<Float>, label: Int) -> Bool {
    if label < 0 { return true }
    guard label < scores.count else { return false }
    let own = Double(scores[scores.index(scores.startIndex, offsetBy: label)])
    let largest = Double(scores.max() ?? 0)
    // An infinite score takes all: right is no surprise, wrong an endless one.
    if largest == .infinity {
      surprise += own == .infinity ? 0 : .infinity
    } else {
      let sum = scores.reduce(0.0) { $0 + exp(Double($1) - largest) }
      surprise += largest + log(sum) - own
    }
    positions += 1
    return true
  }

  /// 1 at best; nil when no position counted or the mean is not finite.
  var value: Double? {
    let perplexity = exp(surprise / Double(positions))
    return perplexity.isFinite ? perplexity : nil
  }
}
