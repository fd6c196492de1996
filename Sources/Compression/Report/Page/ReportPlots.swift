/// The report's plots.
enum ReportPlots {
  private static let mostBars = 40
  private static let mostHistograms = 24

  /// The metric against file size and against latency, for the trials of a search, or for before and after.
  static func pareto(_ report: Report) -> Markup {
    let candidates = Self.candidates(report)
    guard let metric = report.after.metric ?? report.before.metric else { return "" }
    let show: (Double) -> String = { metric.name.isFraction ? Verdict.percent($0) : Verdict.short($0) }
    let plots =
      [
        ("file size", { $0.map { Double($0.fileBytes) } }, bytes),
        ("p50 latency, smallest batch", { $0?.smallestBatch }, ReportTables.microseconds),
      ] as [(String, (Cost?) -> Double?, (Double) -> String)]
    let drawn = plots.map { name, value, label -> Markup in
      let points = candidates.compactMap { candidate -> ParetoPlot.Point? in
        guard let x = value(candidate.cost), let y = candidate.value else { return nil }
        return ParetoPlot.Point(
          x: x, y: y, role: candidate.role, isPareto: candidate.isPareto,
          title: "\(candidate.name): \(metric.name.rawValue) \(show(y)), \(label(x))")
      }
      let plot = ParetoPlot(
        points: points, xName: name, yName: metric.name.rawValue, xLabel: label, yLabel: show)
      return "<div>\(plot.svg())</div>"
    }
    return """
      <h2>What it takes against how well it does</h2>
      <p class="faint">Black: the original; green: the result; the line joins what nothing beats.</p>
      <div class="plots">\(drawn)</div>

      """
  }

  private static func bytes(_ value: Double) -> String { Verdict.bytes(Int(min(max(value, -1e18), 1e18))) }

  private struct Candidate {
    var name: String
    var value: Double?
    var cost: Cost?
    var role: ParetoPlot.Point.Role
    var isPareto: Bool
  }

  private static func candidates(_ report: Report) -> [Candidate] {
    if let search = report.search {
      let front = Set(search.pareto)
      return search.trials.enumerated().map { index, trial in
        Candidate(
          name: index == 0 ? "original" : "trial \(index)", value: trial.quality?.metric.value,
          cost: trial.cost,
          role: index == 0 ? .original : index == search.chosen ? .chosen : .other,
          isPareto: front.contains(index))
      }
    }
    func cost(_ measurements: Measurements) -> Cost {
      let pairs = measurements.latency.map { ($0.batch, $0.p50Microseconds) }
      return Cost(
        fileBytes: measurements.fileBytes, p50Microseconds: Dictionary(pairs, uniquingKeysWith: { a, _ in a })
      )
    }
    return [
      Candidate(
        name: "before", value: report.before.metric?.value, cost: cost(report.before), role: .original,
        isPareto: true),
      Candidate(
        name: "after", value: report.after.metric?.value, cost: cost(report.after), role: .chosen,
        isPareto: true),
    ]
  }

  /// The most delicate layers and options first.
  static func sensitivity(_ sensitivities: [LayerSensitivity]) -> Markup {
    let sorted = sensitivities.enumerated().sorted { left, right in
      left.element.loss != right.element.loss
        ? left.element.loss > right.element.loss : left.offset < right.offset
    }.map(\.element)
    let bars = sorted.prefix(mostBars).map { entry in
      BarPlot.Bar(
        name: "\(entry.layer) · \(entry.option)", value: entry.loss, label: Verdict.short(entry.loss),
        title: "\(entry.layer), \(entry.option): loss \(Verdict.short(entry.loss)), saves "
          + "\(Verdict.bytes(entry.savedBytes)) and \(ReportTables.microseconds(entry.savedMicroseconds))")
    }
    return """
      <h2>Sensitivity of the layers</h2>
      <p class="faint">How much the metric is estimated to get worse when only this layer is changed so.</p>
      \(BarPlot(bars: bars).svg())\(ReportTables.rest(sorted.count, mostBars, "estimates"))
      """
  }

  /// Of the largest layers that were changed.
  static func histograms(_ layers: [LayerReport]) -> Markup {
    let changed = layers.filter { $0.histogramBefore != nil && $0.histogramAfter != nil }
    if changed.isEmpty { return "" }
    let largest = changed.enumerated().sorted { left, right in
      left.element.bytesBefore != right.element.bytesBefore
        ? left.element.bytesBefore > right.element.bytesBefore : left.offset < right.offset
    }.prefix(mostHistograms).map(\.element)
    let drawn = largest.compactMap { layer -> Markup? in
      guard let before = layer.histogramBefore, let after = layer.histogramAfter else { return nil }
      return "<div><p>\(layer.name)</p>\(HistogramPlot(before: before, after: after).svg())</div>"
    }
    return """
      <h2>Weights before and after</h2>
      <p class="faint">Grey: before; line: after. Heights are square roots of counts.</p>
      <div class="plots small">\(drawn)</div>
      \(ReportTables.rest(changed.count, mostHistograms, "histograms"))
      """
  }
}
