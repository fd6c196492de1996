/// How well scores put the samples of a class before the others: the area under the ROC curve.
enum RankScore {
  /// The probability that a sample of the class scores higher than another one, equal scores counting one half: the
  /// Mann-Whitney statistic by mean ranks (Hanley and McNeil 1982).
  /// - Returns: nil when there are no samples of the class or none of another, or a score is not a number.
  static func auroc(_ scores: [Float], isPositive: [Bool]) -> Double? {
    precondition(scores.count == isPositive.count, "one truth for each score")
    let positives = isPositive.count { $0 }
    let negatives = scores.count - positives
    if positives == 0 || negatives == 0 || scores.contains(where: \.isNaN) { return nil }
    let order = scores.indices.sorted { scores[$0] < scores[$1] }
    var rankSum = 0.0
    var start = 0
    while start < order.count {
      var end = start
      while end < order.count && scores[order[end]] == scores[order[start]] { end += 1 }
      // Ranks count from 1; equal scores share the mean of theirs.
      let rank = Double(start + 1 + end) / 2
      rankSum += rank * Double(order[start..<end].count { isPositive[$0] })
      start = end
    }
    let wins = rankSum - Double(positives) * Double(positives + 1) / 2
    return wins / (Double(positives) * Double(negatives))
  }

  /// The mean over the classes, each against the rest (macro); for two classes the second one's.
  /// - Parameters:
  ///   - scores: `[rows, classes]`.
  ///   - labels: the class of each row.
  /// - Returns: nil when a label is no class, or fewer than two classes have samples.
  static func auroc(_ scores: [Float], classes: Int, labels: [Int]) -> Double? {
    precondition(scores.count == classes * labels.count, "one score for each class of each row")
    if labels.contains(where: { !(0..<classes).contains($0) }) { return nil }
    var areas: [Double] = []
    for index in classes == 2 ? 1..<2 : 0..<classes where labels.contains(index) {
      let own = labels.indices.map { scores[$0 * classes + index] }
      guard let area = auroc(own, isPositive: labels.map { $0 == index }) else { return nil }
      areas.append(area)
    }
    return areas.isEmpty ? nil : areas.reduce(0, +) / Double(areas.count)
  }

  /// Where `label` stands among the scores of one row, 0 for the first; equal scores rank by class, as numpy's argmax
  /// does. A label is among the k best when its rank is below k.
  /// - Returns: nil when there is no such class or its score is not a number.
  static func rank(of label: Int, in scores: ArraySlice<Float>) -> Int? {
    guard (0..<scores.count).contains(label) else { return nil }
    let place = scores.startIndex + label
    let own = scores[place]
    if own.isNaN { return nil }
    var better = 0
    for index in scores.indices where scores[index] > own || (scores[index] == own && index < place) {
      better += 1
    }
    return better
  }
}
