import GraphIR

/// Everything that one compression works from.
public struct CompressionInput: Sendable {
  public var model: Model
  /// Of the file that `model` was read from, external data included.
  public var fileBytes: Int
  public var sourceSHA256: String
  public var recipe: Recipe
  public var calibration: Dataset?
  public var evaluation: Dataset?
  /// The models that merge steps name, by the names they use.
  public var others: [String: Model]
  /// Threads for inference, this one included.
  public var threads: Int
  /// Bytes that statistics of the calibration data may take.
  public var calibrationMemory = 512 << 20
  /// Asked between the candidates of a search: true ends it with the best so far.
  public var shouldFinish: @Sendable () -> Bool = { false }

  public init(
    model: Model, fileBytes: Int, sourceSHA256: String, recipe: Recipe, calibration: Dataset? = nil,
    evaluation: Dataset? = nil, others: [String: Model] = [:], threads: Int = 1
  ) {
    self.model = model
    self.fileBytes = fileBytes
    self.sourceSHA256 = sourceSHA256
    self.recipe = recipe
    self.calibration = calibration
    self.evaluation = evaluation
    self.others = others
    self.threads = threads
  }
}

/// The compressed model, ready to be saved, and what was measured.
public struct CompressionOutput: Sendable {
  public var model: Model
  /// The bytes of `model` as a file; their number and nothing else is `report.after.fileBytes`.
  public var file: [UInt8]
  public var report: Report
}

/// How far a compression is.
public struct CompressionProgress: Sendable, Equatable {
  public enum Stage: String, Sendable, CaseIterable {
    case normalize, search, calibrate, compress, evaluate, measure
  }

  public var stage: Stage
  /// 0…1 over the whole compression; never goes back.
  public var fraction: Double
  /// An estimate; nil while there is too little to make it from.
  public var secondsLeft: Double?
}
