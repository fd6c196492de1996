import Engine
import GraphIR
import Synchronization
import Tensors

/// One ready version of a model. Requests that hold it finish on it even after it was unloaded or replaced; its
/// memory is given back with the last reference.
public final class Servable: Sendable {
  public let name: String
  public let version: Int
  /// In the order that `InferenceRequest.inputs` has.
  public let inputs: [TensorPort]
  public let outputs: [TensorPort]
  /// Rows of one run; larger requests are divided. 0: requests are never run together.
  public let maxBatchSize: Int
  /// Why requests are never run together; nil when they are.
  public let reasonAgainstBatching: String?
  public let statistics: ModelStatistics
  /// What parsing and compiling took.
  public let loadSeconds: Double

  let program: Program
  let sessions: SessionPool
  let workers: WorkerPool
  private let queue: RequestQueue
  private let defaultTimeout: Duration?
  /// Set when a run showed that rows are not independent after all; from then on requests are run alone.
  let runsAlone: Atomic<Bool>

  public init(
    name: String, version: Int, program: Program, configuration: ServingConfiguration, workers: WorkerPool,
    statistics: ModelStatistics, loadSeconds: Double = 0
  ) {
    self.name = name
    self.version = version
    self.program = program
    self.workers = workers
    self.statistics = statistics
    self.loadSeconds = loadSeconds
    inputs = program.inputs.map(TensorPort.init)
    outputs = program.outputs.map(TensorPort.init)
    let reason = Self.reasonAgainstBatching(program, inputs + outputs)
    let isBatched = reason == nil
    reasonAgainstBatching = reason
    maxBatchSize = isBatched ? configuration.maximumBatchSize : 0
    runsAlone = Atomic(!isBatched)
    sessions = SessionPool(program: program)
    queue = RequestQueue(
      limits: BatchLimits(
        maximumRows: maxBatchSize, minimumShardRows: configuration.minimumShardRows,
        delay: .microseconds(configuration.maximumQueueDelayMicroseconds)))
    let timeout = configuration.requestTimeoutMilliseconds
    defaultTimeout = timeout == 0 ? nil : .milliseconds(timeout)
  }

  private static func reasonAgainstBatching(_ program: Program, _ ports: [TensorPort]) -> String? {
    if case .none(let reason) = program.batching { return reason }
    // Rows of types below a byte may share bytes, so they cannot be put together by copying.
    guard let packed = ports.first(where: { $0.element.isPacked }) else { return nil }
    return "elements of '\(packed.name)' take less than a byte"
  }

  deinit { MemoryReturn.schedule() }

  /// Requests that wait for a worker.
  public var waitingRequests: Int { workers.waiting(in: queue) }

  /// Bytes of the buffers that runs of this model hold between requests.
  public var arenaBytes: Int { sessions.arenaBytes }

  /// Checks the request against the model and queues it; the answer comes through its `completion`.
  /// - Throws: `.invalidInput`, `.invalidRequest`, `.deadlineExceeded`, `.cancelled`, `.overloaded`, `.shuttingDown`;
  ///   `completion` is not called then.
  public func submit(_ request: InferenceRequest) throws(ServingError) {
    let now = workers.clock.now()
    do throws(ServingError) {
      try InputCheck.check(request, inputs: inputs, outputs: outputs.count)
      var rows = runsAlone.load(ordering: .relaxed) ? nil : InputCheck.commonRows(request.inputs)
      // Its rows share scales with each other, and with nobody else.
      if program.quantizesByRequest, let count = rows, count > 1 { rows = nil }
      let pending = PendingRequest(
        request, runner: self, rows: rows, key: rows == nil ? [] : InputCheck.batchKey(request.inputs),
        deadline: request.deadline ?? defaultTimeout.map { now.advanced(by: $0) }, submitted: now)
      if let error = pending.obsolete(at: now) { throw error }
      try workers.submit(pending, to: queue, isFollowed: request.isFollowed)
    } catch {
      statistics.recordFailure(error, request: 0)
      throw error
    }
  }
}

extension TensorPort {
  init(_ port: Port) {
    self.init(
      name: port.name, element: port.element, dimensions: port.dimensions, isOptional: port.isOptional,
      labels: port.labels)
  }
}
