import Glibc
import Tensors

/// Adds up how the outputs of two models differ on the same samples, batch by batch.
///
/// SQNR, cosine and errors are over all float32 outputs; agreement and KL over the first, read as class scores
/// unless its rows are embeddings.
struct OutputComparison {
  private static let listedChanges = 20

  private var samples = 0
  private var isIdentical = true
  private var error = SignalError()
  private var hasScores = true
  /// Positions of all rows.
  private var decisions = 0
  private var agreeing = 0
  private var equalRows = 0
  private var sequences = SequenceAgreement()
  private var divergences: [Double] = []
  private var changed: [Int] = []

  /// - Parameter rows: of the dataset that the outputs belong to.
  mutating func add(_ reference: [Tensor], _ candidate: [Tensor], rows: Range<Int>) {
    samples += rows.count
    for (left, right) in zip(reference, candidate) {
      if left != right { isIdentical = false }
      error.add(left, right)
    }
    guard let first = reference.first, let second = candidate.first,
      let before = ClassScores(first, rows: rows.count), let after = ClassScores(second, rows: rows.count),
      before.classes == after.classes, before.positions == after.positions, !before.areUnitVectors
    else {
      hasScores = false
      return
    }
    sequences.add(before.decisions, after.decisions)
    for row in 0..<rows.count {
      var isEqual = true
      for place in row * before.positions..<(row + 1) * before.positions {
        decisions += 1
        if before.argmax(place) == after.argmax(place) { agreeing += 1 } else { isEqual = false }
        let (p, q) = (before.logProbabilities(place), after.logProbabilities(place))
        divergences.append(max(0, zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }))
      }
      if isEqual {
        equalRows += 1
      } else if changed.count < Self.listedChanges {
        changed.append(rows.lowerBound + row)
      }
    }
  }

  var result: Comparison {
    let sorted = divergences.sorted()
    let p99 = sorted.isEmpty ? nil : sorted[min(sorted.count - 1, Int(Double(sorted.count) * 0.99))]
    let mean = divergences.reduce(0, +) / Double(max(divergences.count, 1))
    let isScored = hasScores && decisions > 0
    return Comparison(
      samples: samples, isIdentical: isIdentical,
      agreement: isScored ? Double(agreeing) / Double(decisions) : nil,
      klMean: isScored ? finite(mean) : nil, klP99: isScored ? p99.flatMap(finite) : nil,
      sqnr: finite(error.decibels),
      cosine: finite(error.cosine) ?? 0, rmse: finite(error.rootMeanSquare) ?? .greatestFiniteMagnitude,
      maximumError: finite(error.maximum) ?? .greatestFiniteMagnitude, wrongToRight: nil, rightToWrong: nil,
      mcnemarP: nil, changedSamples: isScored ? changed : [],
      rowAgreement: isScored && decisions > samples ? Double(equalRows) / Double(samples) : nil,
      sequenceAgreement: isScored ? sequences.value : nil)
  }

  private func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
}

extension Comparison {
  /// The value of a metric that compares two models.
  func value(of metric: Metric) -> Double? {
    switch metric {
    case .agreement: agreement
    case .kl: klMean
    case .sqnr: sqnr
    case .cosine: cosine
    case .accuracy, .top5, .rmse, .mae, .f1, .auroc, .r2, .perplexity: nil
    }
  }
}
