import Engine

/// What `adze bench` says; the member names are those of its JSON.
struct BenchResult: Encodable {
  var p50_ms: Double
  var p90_ms: Double
  var p99_ms: Double
  var rows_per_s: Double
  var load_ms: Double
  var peak_rss_bytes: Int
  var isa: String
  var batch: Int
  var threads: Int
  var calls: Int
  /// Of `--profile`; by falling time.
  var nodes: [BenchProfile.Row]?
  var operators: [BenchProfile.Row]?
  var peak: PeakFigures?
  private let profile: BenchProfile?

  private enum CodingKeys: String, CodingKey {
    case p50_ms, p90_ms, p99_ms, rows_per_s, load_ms, peak_rss_bytes, isa, batch, threads, calls, nodes,
      operators, peak
  }

  /// - Parameter latencies: of single calls, in milliseconds, ascending, not empty.
  init(
    latencies: [Double], batch: Int, loadMilliseconds: Double, isa: String, threads: Int,
    profile: BenchProfile?
  ) {
    func percentile(_ p: Double) -> Double {
      latencies[min(latencies.count - 1, Int(p * Double(latencies.count)))]
    }
    p50_ms = percentile(0.5)
    p90_ms = percentile(0.9)
    p99_ms = percentile(0.99)
    rows_per_s = Double(batch) / (p50_ms / 1000)
    load_ms = loadMilliseconds
    peak_rss_bytes = ProcessMemory.peakResidentBytes
    self.isa = isa
    self.batch = batch
    self.threads = threads
    calls = latencies.count
    self.profile = profile
    nodes = profile?.nodes
    operators = profile?.operators
    peak = profile?.peak
  }

  var json: String { (try? encodeJSON(self)) ?? "{}" }

  var text: String {
    let lines = [
      "batch \(batch), \(threads) thread\(threads == 1 ? "" : "s"), \(isa), \(calls) calls",
      "p50 \(Self.figure(p50_ms)) ms   p90 \(Self.figure(p90_ms)) ms   p99 \(Self.figure(p99_ms)) ms",
      "\(Int(rows_per_s)) rows/s   load \(Self.figure(load_ms)) ms   peak \(peak_rss_bytes / 1_048_576) MiB",
    ]
    return (lines + (profile?.lines ?? [])).joined(separator: "\n")
  }

  /// Three significant digits or whole numbers: what a person reads.
  static func figure(_ value: Double) -> String {
    if value >= 100 { return String(Int(value.rounded())) }
    let scale: Double = value >= 10 ? 10 : value >= 1 ? 100 : 10_000
    return String((value * scale).rounded() / scale)
  }

  static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
}
