/// Tells the caller how far the work is, at most a hundred times a second, and learns whether to go on.
///
/// Confined to the thread that runs the compression.
final class ProgressMeter {
  private let report: (CompressionProgress) -> Bool
  private let clock = ContinuousClock()
  private let start = ContinuousClock.now
  private var timeLeft = TimeEstimate()
  private var last: ContinuousClock.Instant?
  private var current = CompressionProgress(stage: .normalize, fraction: 0)
  /// The part of the whole that the present stage covers.
  private var span = 0.0...0.0
  private(set) var isCancelled = false

  init(_ report: @escaping (CompressionProgress) -> Bool) { self.report = report }

  /// Starts `stage`, which takes the whole from `span`'s lower to its upper bound.
  func begin(_ stage: CompressionProgress.Stage, _ span: ClosedRange<Double>) throws(CompressionError) {
    self.span = span
    current.stage = stage
    current.fraction = max(current.fraction, span.lowerBound)
    try send()
  }

  /// Sets how much of the stage is done, 0…1.
  func advance(to fraction: Double) throws(CompressionError) {
    let whole = span.lowerBound + (span.upperBound - span.lowerBound) * min(max(fraction, 0), 1)
    current.fraction = max(current.fraction, whole)
    try tick()
  }

  /// A sign of life from inside a long computation.
  func tick() throws(CompressionError) {
    if isCancelled { throw .cancelled }
    if let last, clock.now - last < .milliseconds(10) { return }
    try send()
  }

  /// The same for callbacks that cannot throw: true to stop.
  func shouldStop() -> Bool {
    do {
      try tick()
      return false
    } catch {
      return true
    }
  }

  private func send() throws(CompressionError) {
    let now = clock.now
    last = now
    current.secondsLeft = timeLeft.update(current.fraction, at: (now - start) / .seconds(1))
    if !report(current) { isCancelled = true }
    if isCancelled { throw .cancelled }
  }
}
