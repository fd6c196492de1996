import Testing

@testable import Compression

@Suite struct ReportPageTests {
  private static let hostile = "a\"><script>alert('x')</script>&amp;\u{0}\u{202E}]]>"

  private static func measurements(_ bytes: Int, _ accuracy: Double?) -> Measurements {
    var result = Measurements(
      fileBytes: bytes, gzipBytes: bytes / 2, parameters: 40, nonzeros: 20, macs: 100, effectiveMACs: 50,
      latency: [])
    result.metric = accuracy.map { MetricResult(name: .accuracy, value: $0, low: 0.9, high: 1, samples: 50) }
    return result
  }

  private static func empty() -> Report {
    Report(
      verdict: "", passed: false, promote: false, reasons: [], recipe: Recipe(steps: []), steps: [],
      label: "",
      parentSHA256: "", before: measurements(0, nil), after: measurements(0, nil), sizeRatio: 0,
      constraints: [],
      layers: [], evidence: .none, notes: [], isa: "", threads: 1, seconds: 0)
  }

  private static func full(_ name: String) -> Report {
    var report = empty()
    let step = ReportedStep(.prune(PruneStep(sparsity: 0.5).selecting(name)))
    report.verdict = name
    report.label = name
    report.isa = name
    report.parentSHA256 = name
    report.reasons = [name]
    report.notes = [name]
    report.recipe.steps = [step.step]
    report.steps = [step]
    report.before = measurements(4000, 0.98)
    report.after = measurements(1000, 0.97)
    let latency = Latency(batch: 1, p50Microseconds: 12, p95Microseconds: 14, rowsPerSecond: 80000, runs: 9)
    report.before.latency = [latency]
    report.after.latency = [latency]
    report.after.residentBytes = 12345
    report.comparison = Comparison(
      samples: 50, isIdentical: false, agreement: 0.96, klMean: 0.01, klP99: 0.2, sqnr: 31, cosine: 0.999,
      rmse: 0.1,
      maximumError: 2, wrongToRight: 1, rightToWrong: 2, mcnemarP: 1, changedSamples: [3])
    report.constraints = [
      ConstraintResult(name: name, limit: 0.01, actual: nil, met: false),
      ConstraintResult(name: "max_drop", limit: 0.02, actual: 0.01, met: true),
    ]
    let histograms = WeightHistogram.pair(before: [-1, 0, 1], after: [0, 0, 1])
    report.layers = [
      LayerReport(
        name: name, op: name, shape: [3, 1], methods: [name], noOp: [], sparsity: 0.5, weightSQNR: nil,
        outputSQNR: 30,
        bytesBefore: 12, bytesAfter: 6, kernels: [name], histogramBefore: histograms?.before,
        histogramAfter: histograms?.after, clippedFraction: 0.01, decision: name),
      LayerReport(
        name: "b", op: "Conv", shape: [], methods: [], noOp: [name], bytesBefore: 0, bytesAfter: 0,
        kernels: []),
    ]
    func trial(_ accuracy: Double, _ bytes: Int) -> Trial {
      let quality = Quality(
        metric: MetricResult(name: .accuracy, value: accuracy, samples: 50), comparison: report.comparison!,
        loss: 0.98 - accuracy)
      return Trial(
        steps: [step], quality: quality, cost: Cost(fileBytes: bytes, p50Microseconds: [1: 12]), seconds: 1)
    }
    report.search = SearchReport(
      trials: [
        trial(0.98, 4000), trial(0.97, 1000), trial(0.5, 900),
        Trial(steps: [step], failure: name, seconds: 2),
      ], pareto: [0, 1, 2], chosen: 1, isStopped: true, budgetSeconds: 60)
    report.sensitivity = [
      LayerSensitivity(layer: name, option: name, loss: 0.1, savedMicroseconds: 3, savedBytes: 6),
      LayerSensitivity(layer: "b", option: "half", loss: -0.1, savedMicroseconds: -3, savedBytes: -6),
    ]
    return report
  }

  /// What is wrong with `page` as XML: tags that do not close each other, unquoted attributes, stray `<` and `&`.
  private func fault(_ page: String) -> String? {
    var open: [Substring] = []
    for (index, part) in page.split(separator: "<", omittingEmptySubsequences: false).enumerated() {
      if index == 0 {
        if !part.isEmpty { return "text before the first tag" }
        continue
      }
      guard let end = part.firstIndex(of: ">") else { return "no end: \(part)" }
      let tag = part[..<end]
      let text = part[part.index(after: end)...]
      if tag != "style" && (text.contains(">") || text.contains("\"")) { return "stray mark: \(text)" }
      for piece in text.split(separator: "&", omittingEmptySubsequences: false).dropFirst() {
        let name = piece.prefix { $0 != ";" }
        if !["amp", "lt", "gt", "quot", "#39"].contains(name) { return "stray &: \(piece)" }
      }
      if tag.hasPrefix("!") { continue }
      let name = tag.prefix { $0 != " " && $0 != "/" }
      if tag.hasPrefix("/") {
        if open.popLast() != tag.dropFirst() { return "closes nothing: \(tag)" }
      } else {
        if tag.count(where: { $0 == "\"" }) % 2 != 0 { return "odd quotes: \(tag)" }
        if !tag.hasSuffix("/") { open.append(name) }
      }
    }
    return open.isEmpty ? nil : "left open: \(open)"
  }

  private func page(_ report: Report) -> String { String(decoding: ReportPage.html(report), as: UTF8.self) }

  @Test func pagesAreWellFormed() {
    #expect(fault(page(Self.empty())) == nil)
    #expect(fault(page(Self.full("fc1"))) == nil)
    #expect(fault(page(Self.full(Self.hostile))) == nil)
  }

  @Test func theCheckFindsFaults() {
    for text in ["<a>", "<a></b>", "<a>&x;</a>", "<a>\"</a>", "<a b=\"c></a>", "<a", "x<a></a>"] {
      #expect(fault(text) != nil)
    }
  }

  @Test func namesAreNoMarkup() {
    let text = page(Self.full(Self.hostile))
    #expect(!text.contains("<script"))
    #expect(!text.contains("alert('x')"))
    #expect(!text.contains("\u{0}") && !text.contains("\u{202E}"))
    #expect(text.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;"))
  }

  @Test func everythingIsShown() {
    let text = page(Self.full("fc1"))
    for part in [
      "98.00 %", "4000 B", "12.0 µs", "12.3 kB", "McNemar", "not met", "polyline", "class=\"bar\"",
      "class=\"after\"",
      "It was stopped", "class=\"original\"", "class=\"chosen\"", "trial 2", "96.00 %",
    ] {
      #expect(text.contains(part), "\(part) is missing")
    }
    #expect(text.components("<circle").count - 1 == 6)
    #expect(text.contains("&quot;sparsity&quot;:0.5"))
  }

  @Test func reportsWithoutSearchShowBeforeAndAfter() {
    var report = Self.full("fc1")
    report.search = nil
    report.sensitivity = nil
    let text = page(report)
    #expect(fault(text) == nil)
    #expect(text.components("<circle").count - 1 == 4)
    #expect(!text.contains("<h2>Search"))
  }

  @Test(
    arguments: [0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e-300, .infinity, .nan] as [Double])
  func extremeNumbersAreDrawn(value: Double) {
    var report = Self.full("fc1")
    report.search?.trials[1].quality?.metric.value = value
    report.search?.trials[2].cost = Cost(fileBytes: .max, p50Microseconds: [1: value])
    report.search?.chosen = 99
    report.search?.pareto = [-1, 99]
    report.sensitivity?[0].loss = value
    report.layers[0].histogramAfter?.counts = [.max, .min, 0]
    report.layers[0].histogramBefore?.counts = []
    report.layers[0].bytesBefore = .min
    let text = page(report)
    #expect(fault(text) == nil)
    #expect(!text.contains("nan\"") && !text.contains("inf\""))
  }

  @Test func longReportsAreCut() {
    var report = Self.full("fc1")
    report.layers = [LayerReport](repeating: report.layers[0], count: 1500)
    let text = page(report)
    #expect(text.contains("500 more layers"))
    #expect(text.contains("1476 more histograms"))
  }

  @Test func reportsOfOlderVersionsDecode() throws {
    let full = Self.full("fc1")
    let decoded = try Report(decoding: full.encoded())
    #expect(decoded == full)
    var old = full
    old.search = nil
    old.sensitivity = nil
    old.layers[0].histogramBefore = nil
    old.layers[0].histogramAfter = nil
    old.layers[0].clippedFraction = nil
    old.layers[0].decision = nil
    old.after.residentBytes = nil
    let text = String(decoding: old.encoded(), as: UTF8.self)
    for member in [
      "search", "sensitivity", "histogram_before", "clipped_fraction", "decision", "resident_bytes",
    ] {
      #expect(!text.contains("\"\(member)\""))
    }
    #expect(try Report(decoding: old.encoded()) == old)
  }

  @Test(arguments: [(0.0, 1.0, 6), (98.1, 98.2, 5), (-3, 1e9, 6)])
  func axesHaveRoundTicks(low: Double, high: Double, atLeast: Int) throws {
    let axis = try #require(
      PlotAxis([low, high], from: 0, to: 100, includesZero: false, label: { Verdict.short($0) }))
    #expect(axis.ticks.count + 1 >= atLeast && axis.ticks.count <= 12)
    #expect(axis.ticks.allSatisfy { $0.value >= axis.low && $0.value <= axis.high })
    #expect(axis.pixel(low) < axis.pixel(high))
    #expect(PlotAxis([.nan], from: 0, to: 1, includesZero: true, label: { _ in "" }) == nil)
  }
}

extension PruneStep {
  fileprivate func selecting(_ layer: String) -> PruneStep {
    var copy = self
    copy.selection.layers = [layer]
    return copy
  }
}

extension String {
  fileprivate func components(_ separator: String) -> [Substring] {
    split(separator: separator, omittingEmptySubsequences: false)
  }
}
