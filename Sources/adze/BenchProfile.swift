import Engine

/// How long nodes took and how fast that was; the member names are those of the JSON.
struct BenchProfile {
  /// One node, or all nodes of one operator that ran one kernel.
  struct Row: Encodable {
    /// Of the node.
    var name: String?
    var op: String
    var kernel: String
    /// How many nodes these are, when it is all of an operator.
    var nodes: Int?
    /// Of one run of the model.
    var us: Double
    var share: Double
    /// 10^9 operations a second, a multiplication with addition being two.
    var gflops: Double
    var gbytes_per_s: Double
    /// Of what the threads of this CPU can do: the larger share of computing and moving.
    var peak_share: Double
  }

  let nodes: [Row]
  let operators: [Row]
  let peak: PeakFigures
  private let nodeRates: [WorkRate]
  private let operatorRates: [WorkRate]

  /// - Parameters:
  ///   - entries: of a profiler that saw some runs of one model, all with the same input shapes.
  ///   - runs: how many.
  init(_ entries: [Profiler.Entry], runs: Int, peaks: PeakRates, threads: Int) {
    let total = max(1, entries.reduce(0) { $0 + $1.nanoseconds })
    func row(_ group: [Profiler.Entry]) -> (Row, WorkRate) {
      let nanoseconds = group.reduce(0) { $0 + $1.nanoseconds }
      let calls = group.map { Double($0.calls) / Double(runs) }
      let work = NodeWork(
        multiplyAccumulates: Int(
          zip(group, calls).reduce(0) { $0 + Double($1.0.work.multiplyAccumulates) * $1.1 }),
        bytes: Int(zip(group, calls).reduce(0) { $0 + Double($1.0.work.bytes) * $1.1 }))
      let rate = peaks.rate(
        work, kernel: group[0].kernel, nanoseconds: Double(nanoseconds) / Double(runs), threads: threads,
        largest: group.map(\.work.bytes).max() ?? 0)
      let row = Row(
        op: group[0].op, kernel: group[0].kernel, us: Double(nanoseconds) / Double(runs) / 1000,
        share: Double(nanoseconds) / Double(total), gflops: rate.gigaoperations,
        gbytes_per_s: rate.gigabytes, peak_share: rate.peakShare)
      return (row, rate)
    }
    let single = entries.sorted { $0.nanoseconds > $1.nanoseconds }.map { entry in
      var (each, rate) = row([entry])
      each.name = entry.node
      return (each, rate)
    }
    let groups = Dictionary(grouping: entries) { $0.op + "\u{0}" + $0.kernel }.values
    let grouped = groups.map { group in
      var (each, rate) = row(group)
      each.nodes = group.count
      return (each, rate)
    }.sorted { $0.0.us > $1.0.us }
    nodes = single.map(\.0)
    nodeRates = single.map(\.1)
    operators = grouped.map(\.0)
    operatorRates = grouped.map(\.1)
    peak = PeakFigures(peaks)
  }

  /// Two tables: nodes, and operators below, where a terminal's reader is.
  var lines: [String] {
    var byNode = TextTable([">share", ">us", ">rate", "", ">peak", "operator", "kernel", "node"])
    for (row, rate) in zip(nodes, nodeRates) {
      byNode.add(Self.cells(row, rate) + [row.op, row.kernel, row.name ?? ""])
    }
    var byOperator = TextTable([">share", ">us", ">rate", "", ">peak", ">nodes", "operator", "kernel"])
    for (row, rate) in zip(operators, operatorRates) {
      byOperator.add(Self.cells(row, rate) + [String(row.nodes ?? 1), row.op, row.kernel])
    }
    return [""] + byNode.lines + [""] + byOperator.lines + ["", peak.text]
  }

  private static func cells(_ row: Row, _ rate: WorkRate) -> [String] {
    [BenchResult.percent(row.share), BenchResult.figure(row.us)] + rateCells(rate)
  }

  /// The rate that is nearer to what the CPU can do, its unit and its share; empty when the work is not known.
  static func rateCells(_ rate: WorkRate) -> [String] {
    if rate.gigaoperations == 0 && rate.gigabytes == 0 { return ["", "", ""] }
    let figure = rate.isComputing ? rate.gigaoperations : rate.gigabytes
    return [
      BenchResult.figure(figure), rate.isComputing ? "GFLOP/s" : "GB/s", BenchResult.percent(rate.peakShare),
    ]
  }
}

/// What one core of this CPU can do; the member names are those of the JSON.
struct PeakFigures: Encodable {
  var isa: String
  var gflops_f32: Double
  var gflops_i8: Double
  /// By level: `L2`, `L3`, `memory`.
  var gbytes_per_s: [String: Double]
  private let order: [String]

  init(_ peaks: PeakRates) {
    isa = CPU.isa
    gflops_f32 = peaks.float32
    gflops_i8 = peaks.int8
    gbytes_per_s = Dictionary(uniqueKeysWithValues: peaks.levels.map { ($0.name, $0.gigabytesPerSecond) })
    order = peaks.levels.map(\.name)
  }

  private enum CodingKeys: String, CodingKey { case isa, gflops_f32, gflops_i8, gbytes_per_s }

  var text: String {
    let levels = order.map { "\($0) \(BenchResult.figure(gbytes_per_s[$0] ?? 0)) GB/s" }
    return "peak of one core, \(isa): float32 \(BenchResult.figure(gflops_f32)) GFLOP/s, int8 "
      + "\(BenchResult.figure(gflops_i8)) GFLOP/s, \(levels.joined(separator: ", "))"
  }
}
