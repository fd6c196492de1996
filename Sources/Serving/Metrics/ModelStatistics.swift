import FoundationEssentials
import Synchronization

/// Why a request failed; the values of Triton's `reason` label.
public enum FailureReason: Int, Sendable, CaseIterable {
  case rejected, cancelled, backend, other

  public var label: String {
    switch self {
    case .rejected: "REJECTED"
    case .cancelled: "CANCELED"
    case .backend: "BACKEND"
    case .other: "OTHER"
    }
  }

  init(_ error: ServingError) {
    self =
      switch error {
      case .overloaded, .shuttingDown, .deadlineExceeded: .rejected
      case .cancelled: .cancelled
      case .inference: .backend
      default: .other
      }
  }
}

/// Nanoseconds of the three parts of a run.
public struct RunTimes: Sendable, Equatable {
  /// Gathering the inputs.
  public var input = 0
  /// The run itself.
  public var infer = 0
  /// Splitting the outputs.
  public var output = 0

  public var total: Int { input + infer + output }
}

/// What one model version has done since the server started. Lock-free but for the table of batch sizes.
public final class ModelStatistics: Sendable {
  public let model: String
  public let version: Int

  public let successes = Counter()
  /// Indexed by `FailureReason.rawValue`.
  public let failures: [Counter]
  /// Rows that were run.
  public let inferences = Counter()
  /// Runs.
  public let executions = Counter()
  /// Sums over successful requests, in nanoseconds; a batch's run counts once for each of its requests.
  public let requestNanoseconds = Counter()
  public let failureNanoseconds = Counter()
  public let queueNanoseconds = Counter()
  public let inputNanoseconds = Counter()
  public let inferNanoseconds = Counter()
  public let outputNanoseconds = Counter()

  /// Microseconds per request.
  public let requestDurations = Histogram(bounds: ModelStatistics.durationBounds)
  public let queueDurations = Histogram(bounds: ModelStatistics.queueBounds)
  /// Microseconds per run.
  public let inputDurations = Histogram(bounds: ModelStatistics.copyBounds)
  public let inferDurations = Histogram(bounds: ModelStatistics.durationBounds)
  public let outputDurations = Histogram(bounds: ModelStatistics.copyBounds)
  /// Rows per run.
  public let batchSizes = Histogram(bounds: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])

  private static let durationBounds: [UInt64] = [
    100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000,
  ]
  private static let queueBounds: [UInt64] = [
    50, 100, 250, 500, 1000, 5000, 10_000, 50_000, 100_000, 1_000_000,
  ]
  private static let copyBounds: [UInt64] = [10, 50, 100, 500, 1000, 5000, 10_000, 100_000]

  /// What the runs of one batch size took together.
  public struct BatchEntry: Sendable, Equatable {
    public var count = 0
    public var times = RunTimes()
  }

  private let batches = Mutex<[Int: BatchEntry]>([:])
  private let last = Atomic<Int>(0)

  public init(model: String, version: Int) {
    self.model = model
    self.version = version
    failures = FailureReason.allCases.map { _ in Counter() }
  }

  /// Runs by batch size.
  public var batchEntries: [Int: BatchEntry] { batches.withLock { $0 } }

  /// Milliseconds since 1970 of the last run; 0 before the first.
  public var lastInferenceMilliseconds: Int { last.load(ordering: .relaxed) }

  func recordRun(rows: Int, times: RunTimes) {
    inferences.add(UInt64(rows))
    executions.add()
    batchSizes.observe(UInt64(rows))
    inputDurations.observe(UInt64(times.input / 1000))
    inferDurations.observe(UInt64(times.infer / 1000))
    outputDurations.observe(UInt64(times.output / 1000))
    last.store(Int(Date().timeIntervalSince1970 * 1000), ordering: .relaxed)
    batches.withLock { batches in
      var entry = batches[rows] ?? BatchEntry()
      entry.count += 1
      entry.times.input += times.input
      entry.times.infer += times.infer
      entry.times.output += times.output
      batches[rows] = entry
    }
  }

  func recordSuccess(request: Int, queue: Int, times: RunTimes) {
    successes.add()
    requestNanoseconds.add(UInt64(request))
    queueNanoseconds.add(UInt64(queue))
    inputNanoseconds.add(UInt64(times.input))
    inferNanoseconds.add(UInt64(times.infer))
    outputNanoseconds.add(UInt64(times.output))
    requestDurations.observe(UInt64(request / 1000))
    queueDurations.observe(UInt64(queue / 1000))
  }

  func recordFailure(_ error: ServingError, request: Int) {
    failures[FailureReason(error).rawValue].add()
    failureNanoseconds.add(UInt64(request))
  }
}
