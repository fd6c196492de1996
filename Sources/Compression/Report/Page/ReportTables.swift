/// The report's tables.
enum ReportTables {
  /// What a page shows at most; the JSON has all.
  static let mostLayers = 1000
  static let mostTrials = 200

  private static let none = "–"

  /// Rows of cells that are escaped; the columns in `numbers` stand to the right.
  static func table(_ heads: [String], _ rows: [[String]], numbers: Set<Int> = []) -> Markup {
    func line(_ cells: [String], _ tag: Markup) -> Markup {
      let parts = cells.enumerated().map { index, cell -> Markup in
        let kind: Markup = numbers.contains(index) ? " class=\"number\"" : ""
        return "<\(tag)\(kind)>\(cell)</\(tag)>"
      }
      return "<tr>\(parts)</tr>\n"
    }
    return """
      <div class="scroll"><table><thead>\(line(heads, "th"))</thead><tbody>
      \(rows.map { line($0, "td") })</tbody></table></div>

      """
  }

  static func measurements(_ report: Report) -> Markup {
    let (before, after) = (report.before, report.after)
    var rows: [[String]] = []
    func row(_ name: String, _ left: String?, _ right: String?) {
      if left != nil || right != nil { rows.append([name, left ?? none, right ?? none]) }
    }
    if before.metric != nil || after.metric != nil {
      let name = (after.metric ?? before.metric)?.name.rawValue ?? ""
      row(name, before.metric.map(value), after.metric.map(value))
    }
    row("file", Verdict.bytes(before.fileBytes), Verdict.bytes(after.fileBytes))
    row("file, gzip", Verdict.bytes(before.gzipBytes), Verdict.bytes(after.gzipBytes))
    row("memory", before.residentBytes.map(Verdict.bytes), after.residentBytes.map(Verdict.bytes))
    row("parameters", String(before.parameters), String(after.parameters))
    row("not zero", String(before.nonzeros), String(after.nonzeros))
    row("multiply-adds a row", before.macs.map(String.init), after.macs.map(String.init))
    row(
      "with a weight that is not zero", before.effectiveMACs.map(String.init),
      after.effectiveMACs.map(String.init))
    for (left, right) in zip(before.latency, after.latency) {
      row("p50, batch \(left.batch)", microseconds(left.p50Microseconds), microseconds(right.p50Microseconds))
      row("p95, batch \(left.batch)", microseconds(left.p95Microseconds), microseconds(right.p95Microseconds))
    }
    return table(["", "before", "after"], rows, numbers: [1, 2])
  }

  static func comparison(_ comparison: Comparison) -> Markup {
    var rows = [["samples", String(comparison.samples)]]
    func row(_ name: String, _ value: String?) {
      if let value { rows.append([name, value]) }
    }
    row("agreement", comparison.agreement.map { Verdict.percent($0) })
    row("KL divergence, mean", comparison.klMean.map { "\(Verdict.short($0)) nats" })
    row("KL divergence, 99th percentile", comparison.klP99.map { "\(Verdict.short($0)) nats" })
    row("SQNR", comparison.isIdentical ? "exact" : comparison.sqnr.map { "\(Verdict.short($0)) dB" })
    row("cosine", Verdict.short(comparison.cosine))
    row("root mean squared error", Verdict.short(comparison.rmse))
    row("largest error", Verdict.short(comparison.maximumError))
    if let gained = comparison.wrongToRight, let lost = comparison.rightToWrong {
      row("wrong to right, right to wrong", "\(gained), \(lost)")
    }
    row("McNemar p", comparison.mcnemarP.map(Verdict.short))
    return table(["outputs after against before", ""], rows, numbers: [1])
  }

  static func constraints(_ constraints: [ConstraintResult]) -> Markup {
    let rows = constraints.map { constraint -> Markup in
      let mark: Markup = constraint.met ? "<td class=\"met\">met</td>" : "<td class=\"missed\">not met</td>"
      let actual = constraint.actual.map(Verdict.short) ?? "not measured"
      return """
        <tr><td>\(constraint.name)</td><td class="number">\(Verdict.short(constraint.limit))</td>\
        <td class="number">\(actual)</td>\(mark)</tr>

        """
    }
    return """
      <table><thead><tr><th>constraint</th><th class="number">limit</th><th class="number">measured</th><th></th></tr>\
      </thead><tbody>
      \(rows)</tbody></table>

      """
  }

  static func layers(_ layers: [LayerReport]) -> Markup {
    let rows = layers.prefix(mostLayers).map { layer -> [String] in
      [
        layer.name, layer.op, layer.shape.map(String.init).joined(separator: "×"),
        (layer.methods.isEmpty ? layer.noOp : layer.methods).joined(separator: "; ")
          + (layer.decision.map { " (\($0))" } ?? ""),
        layer.sparsity.map { Verdict.percent($0) } ?? none,
        layer.clippedFraction.map { Verdict.percent($0) } ?? none,
        layer.weightSQNR.map(Verdict.short) ?? none, layer.outputSQNR.map(Verdict.short) ?? none,
        Verdict.bytes(layer.bytesBefore), Verdict.bytes(layer.bytesAfter),
        layer.kernels.joined(separator: ", "),
      ]
    }
    let heads = [
      "layer", "operator", "weight", "what was done, or why nothing", "zeros", "clipped", "weights dB",
      "output dB",
      "before", "after", "kernels",
    ]
    return table(heads, rows, numbers: [4, 5, 6, 7, 8, 9]) + rest(layers.count, mostLayers, "layers")
  }

  static func trials(_ search: SearchReport) -> Markup {
    let front = Set(search.pareto)
    let rows = search.trials.prefix(mostTrials).enumerated().map { index, trial -> [String] in
      [
        String(index), index == search.chosen ? "chosen" : front.contains(index) ? "Pareto" : "",
        index == 0 ? "original" : trial.steps.map(\.text).joined(separator: " "),
        trial.quality.map { value($0.metric) } ?? trial.failure ?? none,
        trial.quality.map { Verdict.short($0.loss) } ?? none,
        trial.cost.map { Verdict.bytes($0.fileBytes) } ?? none,
        trial.cost?.smallestBatch.map(microseconds) ?? none, Verdict.short(trial.seconds),
      ]
    }
    let heads = ["trial", "", "steps", "metric", "loss", "file", "p50", "seconds"]
    return table(heads, rows, numbers: [0, 4, 5, 6, 7]) + rest(search.trials.count, mostTrials, "trials")
  }

  /// Says what a page leaves out.
  static func rest(_ count: Int, _ shown: Int, _ what: String) -> Markup {
    count > shown ? "<p class=\"faint\">\(count - shown) more \(what) are in the JSON report.</p>\n" : ""
  }

  static func value(_ metric: MetricResult) -> String {
    guard let value = metric.value else { return "exact" }
    if !metric.name.isFraction { return Verdict.short(value) }
    guard let low = metric.low, let high = metric.high else { return Verdict.percent(value) }
    return "\(Verdict.percent(value)) (\(Verdict.percent(low))…\(Verdict.percent(high)))"
  }

  static func microseconds(_ value: Double) -> String { "\(Verdict.short(value)) µs" }
}

extension Markup {
  static func + (left: Markup, right: Markup) -> Markup { "\(left)\(right)" }
}

extension ReportedStep {
  /// The step's JSON in one line.
  var text: String { step.json.canonicalText }
}
