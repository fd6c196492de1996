/// The report in one line.
enum Verdict {
  static func text(_ report: Report) -> String {
    var parts = [
      "\(bytes(report.before.fileBytes)) → \(bytes(report.after.fileBytes)) "
        + "(\(percent(report.sizeRatio - 1, signed: true)))"
    ]
    if let speedup = report.speedup, let before = report.before.latency.first,
      let after = report.after.latency.first
    {
      parts.append(
        "p50 \(short(before.p50Microseconds)) → \(short(after.p50Microseconds)) µs at batch \(before.batch), "
          + "\(short(speedup))x over all batch sizes")
    }
    if let before = report.before.metric, let after = report.after.metric {
      parts.append(metric(before, after, report.comparison))
    }
    if report.after.metric?.name != .agreement, let agreement = report.comparison?.agreement {
      parts.append("agreement \(percent(agreement))")
    }
    parts.append(conclusion(report))
    return parts.joined(separator: "; ")
  }

  private static func metric(_ before: MetricResult, _ after: MetricResult, _ comparison: Comparison?)
    -> String
  {
    let isFraction = before.name.isFraction
    func text(_ value: Double?) -> String {
      guard let value else { return "exact" }
      return isFraction ? percent(value) : short(value)
    }
    var result = "\(before.name.rawValue) \(text(before.value)) → \(text(after.value))"
    if isFraction, let low = after.low, let high = after.high {
      result += " (95 % interval \(percent(low))…\(percent(high))"
      if let p = comparison?.mcnemarP { result += ", McNemar p = \(short(p))" }
      result += ")"
    }
    return result
  }

  private static func conclusion(_ report: Report) -> String {
    if report.promote {
      return report.constraints.isEmpty ? "no constraints were set" : "all constraints met"
    }
    return "not promoted: " + report.reasons.joined(separator: ", ")
  }

  /// Three significant digits at most.
  static func short(_ value: Double) -> String {
    let magnitude = abs(value)
    if magnitude >= 1e15 { return String(value) }
    if magnitude >= 100 || magnitude == 0 { return String(Int(value.rounded())) }
    let decimals = magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 4
    return decimal(value, decimals)
  }

  static func percent(_ fraction: Double, signed: Bool = false) -> String {
    (signed && fraction >= 0 ? "+" : "") + decimal(fraction * 100, 2) + " %"
  }

  static func bytes(_ count: Int) -> String {
    switch count {
    case ..<10_000: "\(count) B"
    case ..<10_000_000: "\(decimal(Double(count) / 1e3, 1)) kB"
    default: "\(decimal(Double(count) / 1e6, 1)) MB"
    }
  }

  private static func decimal(_ value: Double, _ decimals: Int) -> String {
    var factor = 1.0
    for _ in 0..<decimals { factor *= 10 }
    let scaled = (abs(value) * factor).rounded()
    // Beyond this the fraction has no digits left.
    guard scaled < 1e15 else { return String(value) }
    let whole = Int(scaled)
    let sign = value < 0 && whole > 0 ? "-" : ""
    let fraction = String(whole % Int(factor))
    let padding = String(repeating: "0", count: decimals - fraction.count)
    return "\(sign)\(whole / Int(factor)).\(padding)\(fraction)"
  }
}
