import Engine

/// `adze bench --kernels`: what one core can do, and which share of it each kernel reaches.
struct KernelBench: Encodable {
  /// The member names are those of the JSON.
  struct Row: Encodable {
    var kernel: String
    var size: String
    var us: Double
    var gflops: Double
    var gbytes_per_s: Double
    var peak_share: Double
  }

  let peak: PeakFigures
  let kernels: [Row]
  private let rates: [WorkRate]

  private enum CodingKeys: String, CodingKey { case peak, kernels }

  /// Measures everything on the calling thread; a few seconds, shown by a bar.
  static func measured() throws -> KernelBench {
    var bar = ProgressBar()
    defer { bar.finish() }
    bar.show(0, "peak")
    let peaks = try PeakRates.measured()
    let cases = KernelCase.all
    var rows: [Row] = []
    var rates: [WorkRate] = []
    for (index, each) in cases.enumerated() {
      bar.show(Double(index) / Double(cases.count), "\(each.kernel) \(each.size)")
      let nanoseconds = try each.measured()
      let rate = peaks.rate(each.work, kernel: each.kernel, nanoseconds: nanoseconds)
      rates.append(rate)
      rows.append(
        Row(
          kernel: each.kernel, size: each.size, us: nanoseconds / 1000, gflops: rate.gigaoperations,
          gbytes_per_s: rate.gigabytes, peak_share: rate.peakShare))
    }
    return KernelBench(peak: PeakFigures(peaks), kernels: rows, rates: rates)
  }

  var json: String { (try? encodeJSON(self)) ?? "{}" }

  var text: String {
    var table = TextTable(["kernel", "size", ">us", ">rate", "", ">peak"])
    for (row, rate) in zip(kernels, rates) {
      table.add([row.kernel, row.size, BenchResult.figure(row.us)] + BenchProfile.rateCells(rate))
    }
    return ([peak.text, ""] + table.lines).joined(separator: "\n")
  }
}
