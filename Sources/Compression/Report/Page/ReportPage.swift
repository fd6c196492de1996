/// A report as one HTML page that needs nothing else: no script, no font, no address. It is well-formed XML too.
public enum ReportPage {
  /// The page as UTF-8. Everything that comes from the report is escaped: names of layers are whatever the model's
  /// author wrote.
  public static func html(_ report: Report) -> [UInt8] {
    let page: Markup = """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title>\(report.label): compression report</title>
      <style>\(ReportStyle.css)</style></head><body>
      \(head(report))\(results(report))\(ReportPlots.pareto(report))\(search(report))\
      \(report.sensitivity.map(ReportPlots.sensitivity) ?? "")\
      <h2>Layers</h2>
      \(ReportTables.layers(report.layers))\(ReportPlots.histograms(report.layers))\(recipe(report))\
      </body></html>

      """
    return Array(page.text.utf8)
  }

  private static func head(_ report: Report) -> Markup {
    let kind: Markup = report.passed ? "passed" : "failed"
    let promotion: Markup =
      report.promote ? "It may take the original's place." : "It does not take the original's place."
    return """
      <h1>\(report.label)</h1>
      <p class="verdict \(kind)">\(report.verdict)<br/>\(promotion)</p>
      \(list(report.reasons))<p class="faint">Measured on \(report.isa), \(report.threads) \
      \(report.threads == 1 ? "thread" : "threads"), in \(Verdict.short(report.seconds)) s. \
      \(evidence(report.evidence)) Made from sha256 \(report.parentSHA256).</p>
      \(list(report.notes))
      """
  }

  private static func evidence(_ evidence: Report.Evidence) -> Markup {
    switch evidence {
    case .labels: "Judged by samples with labels."
    case .unlabelled: "Judged by samples without labels, against the original's outputs."
    case .synthetic: "Judged by made-up inputs, as no samples were given."
    case .none: "Not judged: the model could not be run without samples."
    }
  }

  private static func results(_ report: Report) -> Markup {
    var result: Markup = "<h2>Before and after</h2>\n<div class=\"plots\"><div>"
    result += ReportTables.measurements(report)
    result += "</div>"
    if let comparison = report.comparison { result += "<div>\(ReportTables.comparison(comparison))</div>" }
    result += "</div>\n"
    if !report.constraints.isEmpty {
      result += "<h2>Constraints</h2>\n\(ReportTables.constraints(report.constraints))"
    }
    return result
  }

  private static func search(_ report: Report) -> Markup {
    guard let search = report.search else { return "" }
    let end: Markup = search.isStopped ? " It was stopped; the best until then is the result." : ""
    return """
      <h2>Search</h2>
      <p>\(search.trials.count) trials within \(Verdict.short(search.budgetSeconds)) s.\(end)</p>
      \(ReportTables.trials(search))
      """
  }

  private static func recipe(_ report: Report) -> Markup {
    """
    <h2>Recipe</h2>
    <pre>\(report.recipe.text)</pre>
    <p>Steps that were taken, every open member decided:</p>
    <pre>\(report.steps.map(\.text).joined(separator: "\n"))</pre>

    """
  }

  private static func list(_ lines: [String]) -> Markup {
    lines.isEmpty ? "" : "<ul>\(lines.map { line -> Markup in "<li>\(line)</li>" })</ul>\n"
  }
}
