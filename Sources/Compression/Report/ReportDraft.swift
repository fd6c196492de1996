import Engine

/// Gathers what was measured and draws the conclusions.
struct ReportDraft {
  var input: CompressionInput
  var choice: StepChoice
  var before: Measurements
  var after: Measurements
  var samples: RunSamples
  var paired: PairedEvaluation?
  var layers: LayerComparison?
  var latency: [(a: Latency, b: Latency)] = []
  var kernels: [String: [String]] = [:]

  /// A result counts as faster from here on: less than this is noise.
  private static let leastSpeedup = 1.02

  init(
    input: CompressionInput, choice: StepChoice, before: Measurements, after: Measurements,
    samples: RunSamples
  ) {
    self.input = input
    self.choice = choice
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
      steps: choice.steps.map(ReportedStep.init), label: input.recipe.resolvedLabel,
      parentSHA256: input.sourceSHA256, before: before, after: after, speedup: speedup, sizeRatio: sizeRatio,
      comparison: paired?.comparison, constraints: constraints, layers: layerReports(ledger),
      evidence: samples.evidence, notes: samples.notes + choice.notes + ledger.notes, isa: CPU.isa,
      threads: input.threads,
      seconds: 0)
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
    report.search = choice.search
    report.sensitivity = choice.sensitivities
    report.verdict = Verdict.text(report)
    return report
  }

  private var speedup: Double? { LatencyProbe.speedup(latency) }

  /// p50 after, in microseconds.
  private var smallestBatch: Double? {
    latency.map(\.b).min { $0.batch < $1.batch }?.p50Microseconds
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
    check("max_drop", wanted.maxDrop ?? promisedDrop, paired?.drop) { $0 <= $1 + 1e-9 }
    check("min_speedup", wanted.minSpeedup, speedup) { $0 >= $1 }
    check("min_agreement", wanted.minAgreement, paired?.comparison.agreement) { $0 >= $1 - 1e-9 }
    check("max_size_ratio", wanted.maxSizeRatio, sizeRatio) { $0 <= $1 + 1e-9 }
    check("size_max", wanted.sizeMax.map(Double.init), Double(after.fileBytes)) { $0 <= $1 }
    check("latency_max", wanted.latencyMax, smallestBatch.map { $0 / 1e3 }) { $0 <= $1 }
    check("memory_max", wanted.memoryMax.map(Double.init), after.residentBytes.map(Double.init)) { $0 <= $1 }
    return results
  }

  /// What a preset promises where data say how much is lost.
  private var promisedDrop: Double? {
    guard samples.areReal, let promise = input.recipe.preset?.promise else { return nil }
    return input.recipe.constraints.minAgreement == nil ? paired?.before.share(promise) : nil
  }

  /// Why the result may not become the default version; empty when it may.
  private func obstacles(_ constraints: [ConstraintResult], _ ledger: LayerLedger) -> [String] {
    if input.recipe.preset == .audit { return ["preset audit measures and changes nothing"] }
    if choice.steps.isEmpty { return ["no candidate kept every limit: the model was left as it is"] }
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
      report.decision = choice.decisions[report.name]
      // Nodes that stand for a layer are named after it: `fc1`, `fc1/cast` …
      let own = kernels.keys.filter { $0 == report.name || $0.hasPrefix("\(report.name)/") }.sorted()
      var seen: Set<String> = []
      report.kernels = own.flatMap { kernels[$0] ?? [] }.filter { seen.insert($0).inserted }
    }
  }
}
