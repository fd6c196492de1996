import Engine

/// Rows of one request that are part of a batch.
struct BatchSlice {
  let pending: PendingRequest
  /// Of the request; `0..<1` for requests that are run alone and whole.
  let rows: Range<Int>
}

/// What a worker runs at once.
struct Batch {
  let runner: any BatchRunner
  /// Of requests with equal keys; one slice for a request that is run alone.
  let slices: [BatchSlice]
  let taken: ContinuousClock.Instant
}

/// What requests are submitted to and batches are run by: a `Servable`.
protocol BatchRunner: AnyObject, Sendable {
  /// Runs a batch on the calling thread and, when given, the threads of `team`, and answers its requests.
  func run(_ batch: Batch, on team: ThreadTeam?)
  /// Answers a request that is not run.
  func refuse(_ pending: PendingRequest, _ error: ServingError)
}

/// The batch sizes that requests are put together to, 1 2 3 4 6 8 12 16 24 32 48 64 …: few enough that a session
/// keeps its plans for all of them.
enum BatchSizes {
  /// The largest such size that is at most `rows`.
  static func floor(_ rows: Int) -> Int {
    if rows < 3 { return max(rows, 1) }
    let power = 1 << (Int.bitWidth - 1 - rows.leadingZeroBitCount)
    return rows >= power + power / 2 ? power + power / 2 : power
  }
}

/// What limits the batches of one model.
struct BatchLimits: Sendable, Equatable {
  var maximumRows: Int
  var minimumShardRows: Int
  var delay: Duration
  /// The longest that a request waits for an event that is about to come: the end of the submitter's turn, or of a
  /// run of a model whose runs are short.
  var patience: Duration = .microseconds(500)
}

/// The waiting requests of one model, in lanes of requests that can be run together. Touched only under the worker
/// pool's lock; computes nothing and calls nobody back.
final class RequestQueue: @unchecked Sendable {
  // Sendable because the pool, which alone calls it, holds its lock then.
  private struct Lane {
    let key: BatchKey
    var requests: [(pending: PendingRequest, taken: Int, order: Int)] = []
    var rows = 0
  }

  /// Outcome of asking for a batch.
  struct Taken {
    var slices: [BatchSlice] = []
    /// Requests that left the queue because nobody waits for them any more.
    var obsolete: [(pending: PendingRequest, error: ServingError)] = []
    /// Without slices: when the delayed requests are due.
    var dueAt: ContinuousClock.Instant?
  }

  private let limits: BatchLimits
  private var lanes: [Lane] = []
  private var nextOrder = 0
  private(set) var count = 0
  private(set) var bytes = 0
  /// Kept by the pool: true while the queue is in its turn list.
  var isListed = false
  /// Kept by the pool: true while a submitter that is about to bring more has not said that it is done.
  var isHeld = false
  private var pace = RunPace()

  init(limits: BatchLimits) { self.limits = limits }

  var isEmpty: Bool { count == 0 }
  var patience: Duration { limits.patience }

  /// True when a worker has no use for the waiting requests yet, as a busy one comes back for them in a moment or
  /// their submitter goes on. No request is waited for longer than `patience`.
  var isSpokenFor: Bool { (isHeld || pace.comesBack) && lanes.allSatisfy { delay(of: $0) > .zero } }

  func beginRun() { pace.begin() }
  func endRun(took duration: Duration) { pace.end(took: duration) }

  func append(_ pending: PendingRequest) {
    let entry = (pending: pending, taken: 0, order: nextOrder)
    nextOrder += 1
    count += 1
    bytes += pending.bytes
    let position = pending.rows == nil ? nil : lanes.firstIndex { $0.key == pending.key && $0.rows > 0 }
    if let position {
      lanes[position].requests.append(entry)
      lanes[position].rows += pending.rows ?? 0
    } else {
      // A request that is run alone gets a lane of its own, with no rows so that none joins it.
      lanes.append(Lane(key: pending.key, requests: [entry], rows: pending.rows ?? 0))
    }
  }

  /// Takes the next batch: of the lane whose first request waits longest, at most the fair share of its rows when
  /// `idleWorkers` more workers could take the others.
  func take(now: ContinuousClock.Instant, idleWorkers: Int, ignoringDelay: Bool = false) -> Taken {
    var taken = Taken()
    while let position = dueLane(now, ignoringDelay: ignoringDelay, &taken) {
      let limit = share(of: lanes[position].rows, idleWorkers: idleWorkers)
      fill(&taken, from: position, limit: limit, now)
      if lanes[position].requests.isEmpty { lanes.remove(at: position) }
      if !taken.slices.isEmpty { break }
    }
    return taken
  }

  /// Removes the requests that nobody waits for.
  func removeObsolete(now: ContinuousClock.Instant) -> [(pending: PendingRequest, error: ServingError)] {
    var removed: [(pending: PendingRequest, error: ServingError)] = []
    for position in lanes.indices.reversed() {
      var rows = 0
      lanes[position].requests.removeAll { entry in
        guard let error = entry.pending.obsolete(at: now) else { return false }
        removed.append((pending: entry.pending, error: error))
        rows += (entry.pending.rows ?? entry.taken) - entry.taken
        return true
      }
      lanes[position].rows -= rows
      if lanes[position].requests.isEmpty { lanes.remove(at: position) }
    }
    for (pending, _) in removed { forget(pending) }
    return removed
  }

  /// How long the first request of a lane may wait for batch mates.
  private func delay(of lane: Lane) -> Duration {
    if lane.rows == 0 || lane.rows >= limits.maximumRows { return .zero }
    if isHeld || (pace.comesBack && lane.rows < limits.minimumShardRows) {
      return max(limits.delay, limits.patience)
    }
    return limits.delay
  }

  private func dueLane(
    _ now: ContinuousClock.Instant, ignoringDelay: Bool, _ taken: inout Taken
  ) -> Int? {
    var best: Int?
    for (position, lane) in lanes.enumerated() {
      guard let first = lane.requests.first else { continue }
      let delay = ignoringDelay ? .zero : delay(of: lane)
      let due = first.pending.submitted.advanced(by: delay)
      if delay > .zero && due > now {
        taken.dueAt = min(taken.dueAt ?? due, due)
      } else if best.map({ first.order < lanes[$0].requests[0].order }) ?? true {
        best = position
      }
    }
    if best != nil { taken.dueAt = nil }
    return best
  }

  /// Rows for one worker when a lane's rows are divided evenly, but never into shards too small to pay.
  private func share(of rows: Int, idleWorkers: Int) -> Int {
    let shards = min(max(rows / limits.minimumShardRows, 1), idleWorkers + 1)
    return max(min((rows + shards - 1) / shards, limits.maximumRows), 1)
  }

  private func fill(_ taken: inout Taken, from position: Int, limit: Int, _ now: ContinuousClock.Instant) {
    let joinLimit = BatchSizes.floor(limit)
    var rows = 0
    var used = 0
    var remainder: (pending: PendingRequest, taken: Int, order: Int)?
    while used < lanes[position].requests.count {
      var entry = lanes[position].requests[used]
      let left = (entry.pending.rows ?? 1) - entry.taken
      // A request joins whole; only one that fits no batch is divided to fill this one.
      if rows > 0 && rows + left > joinLimit && left <= limits.maximumRows { break }
      used += 1
      if let error = entry.pending.obsolete(at: now) {
        taken.obsolete.append((pending: entry.pending, error: error))
        lanes[position].rows -= entry.pending.rows == nil ? 0 : left
        forget(entry.pending)
        continue
      }
      let count = min(left, (rows > 0 ? joinLimit : limit) - rows)
      taken.slices.append(BatchSlice(pending: entry.pending, rows: entry.taken..<entry.taken + count))
      rows += count
      lanes[position].rows -= entry.pending.rows == nil ? 0 : count
      if count < left {
        entry.taken += count
        remainder = entry
        break
      }
      forget(entry.pending)
      if rows >= joinLimit { break }
    }
    lanes[position].requests.removeFirst(used)
    // The rest of a large request goes behind the others, so that it does not hold up small ones.
    if let remainder { lanes[position].requests.append(remainder) }
  }

  private func forget(_ pending: PendingRequest) {
    count -= 1
    bytes -= pending.bytes
  }
}
