import Synchronization
import Tensors

/// Requests with equal keys may be run together: the extents of all inputs but the first axis, -1 for omitted ones.
typealias BatchKey = [Int]

/// A submitted request on its way through the queue and one or more runs.
final class PendingRequest: Sendable {
  /// Keeps an unloaded model alive until its last request is answered.
  let runner: any BatchRunner
  let request: InferenceRequest
  /// Extent of axis 0 of every input; nil for requests that are run alone and whole.
  let rows: Int?
  let key: BatchKey
  let bytes: Int
  let deadline: ContinuousClock.Instant?
  let submitted: ContinuousClock.Instant
  private let assembly: Mutex<Assembly>

  private struct Assembly {
    var isCompleted = false
    /// In request order; filled run by run when the request is cut into several.
    var outputs: [Tensor] = []
    var missingRows: Int
    var queueNanoseconds: Int?
    var computeNanoseconds = 0
    var largestBatch = 0
  }

  init(
    _ request: InferenceRequest, runner: any BatchRunner, rows: Int?, key: BatchKey,
    deadline: ContinuousClock.Instant?, submitted: ContinuousClock.Instant
  ) {
    self.runner = runner
    self.request = request
    self.rows = rows
    self.key = key
    self.deadline = deadline
    self.submitted = submitted
    bytes = request.inputs.reduce(0) { $0 + ($1?.byteCount ?? 0) }
    assembly = Mutex(Assembly(missingRows: rows ?? 1))
  }

  /// Why this request needs no answer any more; nil while it does.
  func obsolete(at now: ContinuousClock.Instant) -> ServingError? {
    if let deadline, deadline <= now { return .deadlineExceeded }
    if request.isCancelled?() == true { return .cancelled }
    return nil
  }

  /// True for the one caller that may answer with an error; false when the request has its answer already.
  func claim() -> Bool {
    assembly.withLock { assembly in
      defer { assembly.isCompleted = true }
      return !assembly.isCompleted
    }
  }

  /// What one run contributed to a request.
  struct Contribution {
    /// The request's rows that were run.
    let rows: Range<Int>
    /// Wanted outputs, in request order, of these rows.
    let outputs: [Tensor]
    let queueNanoseconds: Int
    let computeNanoseconds: Int
    let batchSize: Int
  }

  enum Progress {
    /// Every row is there: the caller answers with this.
    case complete(InferenceResult)
    /// More runs are to come, or the request was answered before.
    case partial
    /// The runs of a divided request gave outputs that do not fit together.
    case inconsistent
  }

  /// Takes in the outputs of a run.
  func add(_ run: Contribution) -> Progress {
    assembly.withLock { assembly in
      if assembly.isCompleted { return .partial }
      assembly.queueNanoseconds = assembly.queueNanoseconds ?? run.queueNanoseconds
      assembly.computeNanoseconds += run.computeNanoseconds
      assembly.largestBatch = max(assembly.largestBatch, run.batchSize)
      if rows == nil || run.rows.count == rows {
        assembly.outputs = run.outputs
        assembly.missingRows = 0
      } else {
        guard let rows, RowAssembly.add(run, totalRows: rows, to: &assembly.outputs) else {
          return .inconsistent
        }
        assembly.missingRows -= run.rows.count
      }
      if assembly.missingRows > 0 { return .partial }
      assembly.isCompleted = true
      defer { assembly.outputs = [] }
      return .complete(
        InferenceResult(
          outputs: assembly.outputs, queueNanoseconds: assembly.queueNanoseconds ?? 0,
          computeNanoseconds: assembly.computeNanoseconds, batchSize: assembly.largestBatch))
    }
  }
}

/// Puts the outputs of a divided request together, row by row.
enum RowAssembly {
  /// False when an output does not have the shape that the earlier runs gave it.
  static func add(_ run: PendingRequest.Contribution, totalRows: Int, to outputs: inout [Tensor]) -> Bool {
    if outputs.isEmpty {
      for output in run.outputs {
        guard let whole = try? Tensor(type: output.type, shape: shape(of: output, rows: totalRows)) else {
          return false
        }
        outputs.append(whole)
      }
    }
    for (position, part) in run.outputs.enumerated() {
      if outputs[position].shape != shape(of: part, rows: totalRows) { return false }
      if let strings = part.strings {
        guard let joined = place(strings, part, in: outputs[position], run.rows, totalRows) else {
          return false
        }
        outputs[position] = joined
        continue
      }
      let rowBytes = part.byteCount / max(run.rows.count, 1)
      outputs[position].withMutableBytes { whole in
        part.withBytes { bytes in
          let start = run.rows.lowerBound * rowBytes
          UnsafeMutableRawBufferPointer(rebasing: whole[start..<start + bytes.count]).copyMemory(from: bytes)
        }
      }
    }
    return true
  }

  private static func shape(of tensor: Tensor, rows: Int) -> Shape {
    Shape([rows] + tensor.shape.dimensions.dropFirst())
  }

  private static func place(
    _ strings: [String], _ part: Tensor, in whole: Tensor, _ rows: Range<Int>, _ totalRows: Int
  ) -> Tensor? {
    guard var all = whole.strings, rows.count > 0 else { return nil }
    let width = strings.count / rows.count
    all.replaceSubrange(rows.lowerBound * width..<rows.upperBound * width, with: strings)
    return try? Tensor(shape: shape(of: part, rows: totalRows), strings: all)
  }
}
