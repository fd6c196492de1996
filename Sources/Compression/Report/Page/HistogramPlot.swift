/// Two histograms over the same range, one over the other. Heights are square roots of counts: the peak at zero of
/// pruned weights would leave nothing to see of the rest.
struct HistogramPlot: Sendable {
  var before: WeightHistogram
  var after: WeightHistogram

  private static let width = 240.0
  private static let height = 110.0
  private static let base = 92.0

  func svg() -> Markup {
    let largest = max(before.counts.max() ?? 0, after.counts.max() ?? 0)
    if largest <= 0 { return "" }
    return """
      <svg viewBox="0 0 \(Self.width) \(Self.height)" role="img" aria-label="weights before and after">
      <path class="before" d="\(outline(before.counts, largest))"/>
      <path class="after" d="\(outline(after.counts, largest))"/>
      <text x="0" y="\(Self.height - 4)">\(Verdict.short(before.low))</text>
      <text x="\(Self.width)" y="\(Self.height - 4)" text-anchor="end">\(Verdict.short(before.high))</text>
      </svg>

      """
  }

  private func outline(_ counts: [Int], _ largest: Int) -> Markup {
    var path: Markup = "M0 \(Self.base)"
    let step = Self.width / Double(max(counts.count, 1))
    for (index, count) in counts.enumerated() {
      let top = Self.base * (1 - (Double(max(count, 0)) / Double(largest)).squareRoot())
      path += "V\(top)H\(Double(index + 1) * step)"
    }
    path += "V\(Self.base)Z"
    return path
  }
}
