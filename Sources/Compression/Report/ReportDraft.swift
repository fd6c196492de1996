import Engine
import Glibc

/// Gathers what was measured and draws the conclusions.
struct ReportDraft {
  var input: CompressionInput
  var steps: [Recipe.Step]
  var before: Measurements
  var after: Measurements
  var samples: RunSamples
  var paired: PairedEvaluation?
  var layers: LayerComparison?
  var latency: [(a: Latency, b: Latency)] = []
  var kernels: [String: [String]] = [:]

  /// A result counts as faster from here on: less than this is noise.
  private static let leastSpeedup = 1.02
  /// What preset `safe` promises where there are samples.
  private static let safeAgreement = 0.995

  init(
    input: CompressionInput, steps: [Recipe.Step], before: Measurements, after: Measurements,
    samples: RunSamples
  ) {
    self.input = input
    self.steps = steps
    self.before = before
    self.after = after
    self.samples = samples
  }

  func report(_ ledger: LayerLedger) -> Report {
    let constraints = constraintResults()
    let passed = constraints.allSatisfy(\.met)
    let reasons = obstacles(constraints, ledger)
    var report = Report(
      verdict: "", passed: passed, promote: reasons.isEmpty, reasons: reasons, recipe: input.recipe,
      steps: steps.map(ReportedStep.init), label: input.recipe.resolvedLabel,
      parentSHA256: input.sourceSHA256, before: before, after: after, speedup: speedup, sizeRatio: sizeRatio,
      comparison: paired?.comparison, constraints: constraints, layers: layerReports(ledger),
      evidence: samples.evidence, notes: samples.notes, isa: CPU.isa, threads: input.threads, seconds: 0)
    report.before.latency = latency.map(\.a)
    report.after.latency = latency.map(\.b)
    report.before.metric = paired?.before
    report.after.metric = paired?.after
    if let layers {
      report.before.macs = layers.macsBefore
      report.before.effectiveMACs = layers.effectiveMACsBefore
      report.after.macs = layers.macs
      report.after.effectiveMACs = layers.effectiveMACs
    }
    report.verdict = Verdict.text(report)
    return report
  }

  /// Geometric mean over the batch sizes.
  private var speedup: Double? {
    if latency.isEmpty { return nil }
    let sum = latency.reduce(0) { $0 + log($1.a.p50Microseconds / max($1.b.p50Microseconds, 1e-3)) }
    return exp(sum / Double(latency.count))
  }

  private var sizeRatio: Double { Double(after.fileBytes) / Double(max(before.fileBytes, 1)) }

  private func constraintResults() -> [ConstraintResult] {
    let wanted = input.recipe.constraints
    var results: [ConstraintResult] = []
    func check(_ name: String, _ limit: Double?, _ actual: Double?, _ isMet: (Double, Double) -> Bool) {
      guard let limit else { return }
      // Fractions of samples are compared as decimals: 0.981 − 0.976 must not miss 0.005 by a rounding error.
      results.append(
        ConstraintResult(
          name: name, limit: limit, actual: actual, met: actual.map { isMet($0, limit) } ?? false))
    }
    check("max_drop", wanted.maxDrop, paired?.drop) { $0 <= $1 + 1e-9 }
    check("min_speedup", wanted.minSpeedup, speedup) { $0 >= $1 }
    check("min_agreement", minimumAgreement, paired?.comparison.agreement) { $0 >= $1 - 1e-9 }
    check("max_size_ratio", wanted.maxSizeRatio, sizeRatio) { $0 <= $1 + 1e-9 }
    return results
  }

  private var minimumAgreement: Double? {
    if let wanted = input.recipe.constraints.minAgreement { return wanted }
    let isJudged = samples.evidence == .labels || samples.evidence == .unlabelled
    let hasClasses = paired?.comparison.agreement != nil
    return input.recipe.preset == .safe && isJudged && hasClasses ? Self.safeAgreement : nil
  }

  /// Why the result may not become the default version; empty when it may.
  private func obstacles(_ constraints: [ConstraintResult], _ ledger: LayerLedger) -> [String] {
    if steps.isEmpty { return ["preset audit measures and changes nothing"] }
    var reasons = constraints.filter { !$0.met }.map { constraint in
      let actual = constraint.actual.map { "is \(Verdict.short($0))" } ?? "could not be measured"
      return "\(constraint.name) \(Verdict.short(constraint.limit)) is not met: it \(actual)"
    }
    if !ledger.hasChanges { reasons.append("no layer was changed; see no_op of each layer") }
    let isFaster = (speedup ?? 0) >= Self.leastSpeedup
    if after.fileBytes >= before.fileBytes && !isFaster { reasons.append("neither smaller nor faster") }
    return reasons
  }

  private func layerReports(_ ledger: LayerLedger) -> [LayerReport] {
    ledger.reports { output, report in
      report.outputSQNR = layers?.sqnr[output]
      // Nodes that stand for a layer are named after it: `fc1`, `fc1/cast` …
      let own = kernels.keys.filter { $0 == report.name || $0.hasPrefix("\(report.name)/") }.sorted()
      var seen: Set<String> = []
      report.kernels = own.flatMap { kernels[$0] ?? [] }.filter { seen.insert($0).inserted }
    }
  }
}
