/// What a search for a recipe tried, and what it chose.
public struct SearchReport: Codable, Sendable, Equatable {
  /// In the order in which they were judged; the first is the original.
  public var trials: [Trial]
  /// Indices of the trials that no other one beats in loss, file size and latency, from the least loss on, the
  /// original among them.
  public var pareto: [Int]
  /// Index of the trial that became the result; 0 when no other one keeps every limit.
  public var chosen: Int
  /// True when the user ended the search: what had been found by then is the result.
  public var isStopped: Bool
  /// The time that the search was given.
  public var budgetSeconds: Double

  enum CodingKeys: String, CodingKey {
    case trials, pareto, chosen
    case isStopped = "stopped"
    case budgetSeconds = "budget_s"
  }
}

/// One candidate of a search, judged as a whole.
public struct Trial: Codable, Sendable, Equatable {
  /// Taken on the original, with every open member decided: they give the same file again. Empty for the original.
  public var steps: [ReportedStep]
  /// Nil when the candidate failed.
  public var quality: Quality?
  /// Nil when it failed, or was not worth measuring.
  public var cost: Cost?
  /// Why there is no quality.
  public var failure: String?
  public var seconds: Double
}

/// How well a candidate does its task.
public struct Quality: Sendable, Codable, Equatable {
  public var metric: MetricResult
  /// With the original, on the same samples.
  public var comparison: Comparison
  /// How much worse than the original, in the metric's unit: 0 for as good, negative for better.
  public var loss: Double
}

/// What a candidate takes.
public struct Cost: Sendable, Codable, Equatable {
  public var fileBytes: Int
  /// By batch size.
  public var p50Microseconds: [Int: Double]
  /// Memory of the loaded model; nil where it was not measured.
  public var residentBytes: Int?

  enum CodingKeys: String, CodingKey {
    case fileBytes = "file_bytes"
    case p50Microseconds = "p50_us"
    case residentBytes = "resident_bytes"
  }
}

/// What one way to treat one layer is estimated to do to the whole model.
public struct LayerSensitivity: Codable, Sendable, Equatable {
  public var layer: String
  public var option: String
  /// In the metric's unit.
  public var loss: Double
  /// For one row; negative when it is slower.
  public var savedMicroseconds: Double
  public var savedBytes: Int

  enum CodingKeys: String, CodingKey {
    case layer, option, loss
    case savedMicroseconds = "saved_us"
    case savedBytes = "saved_bytes"
  }
}
