/// What became of the jobs since the server started.
public final class JobMetrics: Sendable {
  public let done = Counter()
  public let failed = Counter()
  public let cancelled = Counter()
  public let interrupted = Counter()
  /// Seconds per job that ran.
  public let seconds = Histogram(bounds: [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600])

  init() {}

  func count(_ job: Job) {
    switch job.state {
    case .done: done.add()
    case .failed: failed.add()
    case .cancelled: cancelled.add()
    case .interrupted: interrupted.add()
    case .queued, .running: return
    }
    if let started = job.started, let finished = job.finished {
      seconds.observe(UInt64(max(finished - started, 0)))
    }
  }
}
