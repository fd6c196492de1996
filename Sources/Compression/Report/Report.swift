import FoundationEssentials

/// What a compression did, measured on this machine: the model before and after under the same code, what
/// happened to every layer, and whether the result may take the original's place.
public struct Report: Codable, Sendable, Equatable {
  /// One line for people: sizes, latency, metric.
  public var verdict: String
  /// True when every constraint is met.
  public var passed: Bool
  /// True when `passed` and the result is smaller or faster: only then may it become the default version.
  public var promote: Bool
  /// Why `promote` is false.
  public var reasons: [String]
  /// The recipe as it was given.
  public var recipe: Recipe
  /// The steps that were taken, every open member decided.
  public var steps: [ReportedStep]
  public var label: String
  /// SHA-256 of the file that was compressed.
  public var parentSHA256: String
  public var before: Measurements
  public var after: Measurements
  /// Latency p50 before by after, geometric mean over the batch sizes; nil when nothing could be run.
  public var speedup: Double?
  /// File bytes after by before.
  public var sizeRatio: Double
  /// Outputs after against outputs before on the same samples; nil when there were no samples.
  public var comparison: Comparison?
  public var constraints: [ConstraintResult]
  public var layers: [LayerReport]
  /// What the comparison rests on.
  public var evidence: Evidence
  /// What a reader should know: data that were not there, limits that were met.
  public var notes: [String]
  /// The instruction set that the kernels ran on.
  public var isa: String
  public var threads: Int
  public var seconds: Double
  /// What was tried; nil when the recipe did not search.
  public var search: SearchReport?
  /// What each way to treat each layer is estimated to do; nil when it was not asked for.
  public var sensitivity: [LayerSensitivity]?

  public enum Evidence: String, Codable, Sendable {
    /// Samples with labels.
    case labels
    /// Samples without labels: outputs are compared with the original's.
    case unlabelled
    /// No samples were given: made-up inputs.
    case synthetic
    /// The model could not be run without samples.
    case none
  }

  enum CodingKeys: String, CodingKey {
    case verdict, passed, promote, reasons, recipe, steps, label
    case parentSHA256 = "parent_sha256"
    case before, after, speedup
    case sizeRatio = "size_ratio"
    case comparison, constraints, layers, evidence, notes, isa, threads, seconds, search, sensitivity
  }

  /// The report as JSON with members in alphabetical order.
  public func encoded() -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else {
      preconditionFailure("a report holds a number that is not finite")
    }
    return Array(data)
  }
}

extension Report {
  /// Reads what `encoded` wrote, by this version or an older one.
  /// - Throws: `DecodingError` for anything else.
  public init(decoding json: [UInt8]) throws {
    self = try JSONDecoder().decode(Report.self, from: Data(json))
  }
}

/// A step of the recipe with every open member decided; encodes as the step's JSON.
public struct ReportedStep: Codable, Sendable, Equatable {
  public var step: Recipe.Step

  public init(_ step: Recipe.Step) { self.step = step }

  public init(from decoder: any Decoder) throws {
    step = try Recipe.Step(JSONValue(from: decoder), path: "step")
  }

  public func encode(to encoder: any Encoder) throws { try step.json.encode(to: encoder) }
}

/// One model's size and speed, and how well it does its task.
public struct Measurements: Codable, Sendable, Equatable {
  public var fileBytes: Int
  /// Bytes of the file after gzip: zeros and repeated values show here.
  public var gzipBytes: Int
  /// Elements of all constant tensors.
  public var parameters: Int
  public var nonzeros: Int
  /// Multiply-accumulates of MatMul, Gemm and Conv for one sample; nil when the model was not run.
  public var macs: Int?
  /// Those whose weight is not zero.
  public var effectiveMACs: Int?
  public var latency: [Latency]
  /// Nil when there were no samples for it.
  public var metric: MetricResult?
  /// Memory of the loaded model; nil when it was not measured.
  public var residentBytes: Int?

  enum CodingKeys: String, CodingKey {
    case fileBytes = "file_bytes"
    case gzipBytes = "gzip_bytes"
    case parameters, nonzeros, macs
    case effectiveMACs = "effective_macs"
    case latency, metric
    case residentBytes = "resident_bytes"
  }
}

/// Time for one call with `batch` rows.
public struct Latency: Codable, Sendable, Equatable {
  public var batch: Int
  public var p50Microseconds: Double
  public var p95Microseconds: Double
  public var rowsPerSecond: Double
  public var runs: Int

  enum CodingKeys: String, CodingKey {
    case batch
    case p50Microseconds = "p50_us"
    case p95Microseconds = "p95_us"
    case rowsPerSecond = "rows_per_s"
    case runs
  }
}

/// A metric's value over a dataset.
public struct MetricResult: Codable, Sendable, Equatable {
  public var name: Metric
  /// Fractions are 0…1; nil when the value is infinite (SQNR of equal outputs).
  public var value: Double?
  /// The Wilson 95 % interval of a fraction; nil for other metrics.
  public var low: Double?
  public var high: Double?
  public var samples: Int

  enum CodingKeys: String, CodingKey {
    case name, value
    case low = "interval_low"
    case high = "interval_high"
    case samples
  }

  public init(name: Metric, value: Double?, low: Double? = nil, high: Double? = nil, samples: Int) {
    self.name = name
    self.value = value
    self.low = low
    self.high = high
    self.samples = samples
  }
}

extension MetricResult: CustomStringConvertible {
  /// `accuracy 98.19 % of 719 samples (95 % interval 96.93 %…98.94 %)`
  public var description: String {
    let shown = value.map { name.isFraction ? Verdict.percent($0) : Verdict.short($0) } ?? "exact"
    var text = "\(name.rawValue) \(shown) of \(samples) samples"
    if let low, let high { text += " (95 % interval \(Verdict.percent(low))…\(Verdict.percent(high)))" }
    return text
  }
}

/// How two models' outputs differ on the same samples.
public struct Comparison: Codable, Sendable, Equatable {
  public var samples: Int
  /// True when every output is equal bit for bit.
  public var isIdentical: Bool
  /// The fraction of samples with the same argmax; this, KL and the flips are nil for outputs that are not rows
  /// of class scores.
  public var agreement: Double?
  /// Kullback-Leibler divergence of the softmaxes, in nats.
  public var klMean: Double?
  public var klP99: Double?
  /// In dB; nil when the outputs are equal (infinite).
  public var sqnr: Double?
  public var cosine: Double
  public var rmse: Double
  public var maximumError: Double
  /// Samples that were wrong and are right now, the other way round, and the McNemar test of the two: nil without
  /// labels.
  public var wrongToRight: Int?
  public var rightToWrong: Int?
  public var mcnemarP: Double?
  /// The first samples whose argmax changed.
  public var changedSamples: [Int]
  /// The fraction of samples that are equal in every position; nil where a sample has one decision.
  public var rowAgreement: Double?
  /// 1 less the edits by symbol, where positions are read as by connectionist temporal classification: without
  /// repetitions and class 0. Nil for other outputs.
  public var sequenceAgreement: Double?

  enum CodingKeys: String, CodingKey {
    case samples
    case isIdentical = "identical"
    case agreement
    case klMean = "kl_mean"
    case klP99 = "kl_p99"
    case sqnr = "sqnr_db"
    case cosine, rmse
    case maximumError = "max_error"
    case wrongToRight = "wrong_to_right"
    case rightToWrong = "right_to_wrong"
    case mcnemarP = "mcnemar_p"
    case changedSamples = "changed_samples"
    case rowAgreement = "row_agreement"
    case sequenceAgreement = "sequence_agreement"
  }
}

/// One limit of the recipe and what was measured.
public struct ConstraintResult: Codable, Sendable, Equatable {
  public var name: String
  public var limit: Double
  /// Nil when it could not be measured; the limit then counts as not met.
  public var actual: Double?
  public var met: Bool
}

/// What the steps did to one layer.
public struct LayerReport: Codable, Sendable, Equatable {
  public var name: String
  public var op: String
  /// Of the weight, as stored in the original.
  public var shape: [Int]
  /// `pruned magnitude`, `int8 static` …, in the order applied; empty when nothing was done.
  public var methods: [String]
  /// Why nothing was done, one for each step that left the layer alone.
  public var noOp: [String]
  /// The fraction of the final weights that are zero; nil when the layer has no constant weight.
  public var sparsity: Double?
  /// Of the final weights against the original ones, in dB; nil when they are equal or there are none.
  public var weightSQNR: Double?
  /// Of the layer's output against the original's on the samples; nil when equal or not measured.
  public var outputSQNR: Double?
  public var bytesBefore: Int
  public var bytesAfter: Int
  /// The kernels that ran, as the engine names them; empty when not measured.
  public var kernels: [String]
  /// How the weights were and are spread; nil when nothing was done or the layer has no constant weight.
  public var histogramBefore: WeightHistogram?
  public var histogramAfter: WeightHistogram?
  /// The fraction of the weights that `clip` cut off; nil where the range covers all.
  public var clippedFraction: Double?
  /// Why a search or a preset treated the layer so; nil when the recipe said it.
  public var decision: String?

  enum CodingKeys: String, CodingKey {
    case name, op, shape, methods
    case noOp = "no_op"
    case sparsity
    case weightSQNR = "weight_sqnr_db"
    case outputSQNR = "output_sqnr_db"
    case bytesBefore = "bytes_before"
    case bytesAfter = "bytes_after"
    case kernels
    case histogramBefore = "histogram_before"
    case histogramAfter = "histogram_after"
    case clippedFraction = "clipped_fraction"
    case decision
  }
}
