import Glibc

/// What a candidate must keep, and what is to be small among those that do. A nil limit is not checked.
struct SearchGoal: Sendable, Equatable {
  enum Objective: Sendable { case latency, size }

  var objective = Objective.latency
  /// In the metric's unit.
  var maxLoss: Double?
  var minAgreement: Double?
  var maxBytes: Int?
  /// p50 of the smallest batch that was measured.
  var maxMicroseconds: Double?
  /// Geometric mean of p50 over the batch sizes.
  var maxMeanMicroseconds: Double?
  var maxResidentBytes: Int?

  /// Fractions of samples are compared as decimals: 0.981 − 0.976 must not miss 0.005 by a rounding error.
  func isMet(by quality: Quality) -> Bool {
    if let maxLoss, !(quality.loss <= maxLoss + 1e-9) { return false }
    if let minAgreement, (quality.comparison.agreement ?? 0) < minAgreement - 1e-9 { return false }
    return true
  }

  /// What was not measured does not keep a limit.
  func isMet(by cost: Cost?) -> Bool {
    if let maxBytes, (cost?.fileBytes ?? .max) > maxBytes { return false }
    if let maxMicroseconds, (cost?.smallestBatch ?? .infinity) > maxMicroseconds { return false }
    if let maxMeanMicroseconds, (cost?.geometricMean ?? .infinity) > maxMeanMicroseconds { return false }
    if let maxResidentBytes, (cost?.residentBytes ?? .max) > maxResidentBytes { return false }
    return true
  }

  /// What is to be small; infinite where it was not measured.
  func value(of cost: Cost?) -> Double {
    guard let cost else { return .infinity }
    switch objective {
    case .size: return Double(cost.fileBytes)
    case .latency: return cost.geometricMean ?? .infinity
    }
  }
}

extension Cost {
  /// p50 of the smallest batch, in microseconds.
  var smallestBatch: Double? { p50Microseconds.min { $0.key < $1.key }?.value }

  /// Of the latencies over all batch sizes, in microseconds.
  var geometricMean: Double? {
    if p50Microseconds.isEmpty { return nil }
    let sum = p50Microseconds.sorted { $0.key < $1.key }.reduce(0) { $0 + log(max($1.value, 1e-3)) }
    return exp(sum / Double(p50Microseconds.count))
  }
}
