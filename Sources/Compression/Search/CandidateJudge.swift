/// Builds a candidate and measures it as a whole.
protocol CandidateJudge {
  /// - Parameters:
  ///   - steps: to take on the original; none for the original itself.
  ///   - rows: of the samples, from the start; nil for all.
  /// - Returns: the cost is nil when it could not be measured.
  /// - Throws: `CompressionError.cancelled` when the whole search is to end; any other error concerns this candidate.
  func judge(_ steps: [Recipe.Step], rows: Int?) throws(CompressionError) -> (quality: Quality, cost: Cost?)
}
