/// Whether the runs of a model are so short that a busy worker is back before an idle one is awake: then rows that
/// wait for it form larger batches, and nobody is woken.
struct RunPace {
  /// Waking a sleeping thread, its look at the queue and the way back to sleep cost some 50 µs of two processors; a
  /// run of a few times that is worth waiting for.
  static let shortRun = Duration.microseconds(200)

  /// Of recent runs, short ones count up by 1 and long ones down by 2. A mean would be ruled by the few runs that
  /// lose the processor for milliseconds.
  private var score = 0
  private var running = 0

  private static let highestScore = 16
  private static let shortScore = 4

  /// True while a run is going on that will probably end in a moment.
  var comesBack: Bool { running > 0 && score >= Self.shortScore }

  mutating func begin() { running += 1 }

  /// - Parameter duration: from the batch's being taken until its requests were answered.
  mutating func end(took duration: Duration) {
    running -= 1
    score = duration < Self.shortRun ? min(score + 1, Self.highestScore) : max(score - 2, 0)
  }
}
