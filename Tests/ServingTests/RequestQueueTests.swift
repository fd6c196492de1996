import Engine
import Tensors
import Testing

@testable import Serving

private final class NoRunner: BatchRunner {
  func run(_ batch: Batch, on team: ThreadTeam?) {}
  func refuse(_ pending: PendingRequest, _ error: ServingError) {}
}

@Suite struct RequestQueueTests {
  private let start = ContinuousClock.now

  private func queue(maximum: Int = 64, shard: Int = 8, delay: Duration = .zero) -> RequestQueue {
    RequestQueue(limits: BatchLimits(maximumRows: maximum, minimumShardRows: shard, delay: delay))
  }

  private func pending(_ rows: Int?, key: BatchKey = [1]) -> PendingRequest {
    PendingRequest(
      InferenceRequest(inputs: [], outputs: [], completion: { _ in }), runner: NoRunner(), rows: rows,
      key: key,
      deadline: nil, submitted: start)
  }

  private func take(_ queue: RequestQueue, idle: Int = 0) -> [Int] {
    queue.take(now: start, idleWorkers: idle).slices.map(\.rows.count)
  }

  @Test(arguments: [
    (1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 6), (7, 6), (8, 8), (11, 8), (12, 12), (63, 48), (64, 64),
    (100, 96),
  ])
  func batchSizesAreFew(rows: Int, size: Int) { #expect(BatchSizes.floor(rows) == size) }

  @Test func aLargeBatchIsSharedAmongIdleWorkers() {
    let queue = queue()
    for _ in 0..<32 { queue.append(pending(1)) }
    for idle in [3, 2, 1, 0] { #expect(take(queue, idle: idle).count == 8) }
    #expect(queue.isEmpty)
  }

  @Test func aSmallBatchIsNotShared() {
    let queue = queue()
    for _ in 0..<12 { queue.append(pending(1)) }
    #expect(take(queue, idle: 3).count == 12)
  }

  @Test func oneLargeRequestIsSharedToo() {
    let queue = queue()
    queue.append(pending(40))
    #expect(take(queue, idle: 3) == [10])
    #expect(queue.count == 1)
    #expect(take(queue, idle: 2) == [10])
    #expect(take(queue, idle: 1) == [10])
    #expect(take(queue, idle: 0) == [10])
    #expect(queue.isEmpty)
  }

  @Test func requestsAreNotDividedWhenTheyFit() {
    let queue = queue(maximum: 16)
    for rows in [6, 7, 13, 16, 1] { queue.append(pending(rows)) }
    #expect(take(queue) == [6, 7])
    #expect(take(queue) == [13])
    #expect(take(queue) == [16])
    #expect(take(queue) == [1])
    #expect(take(queue).isEmpty)
  }

  @Test func smallRequestsPassARequestOfManyRows() {
    let queue = queue(maximum: 16)
    queue.append(pending(40))
    queue.append(pending(2))
    #expect(take(queue) == [16])
    #expect(take(queue) == [2, 14])
    #expect(take(queue) == [10])
    #expect(queue.isEmpty)
  }

  @Test func requestsWithoutRowsAreTakenAlone() {
    let queue = queue()
    for _ in 0..<3 { queue.append(pending(nil, key: [])) }
    for _ in 0..<3 { #expect(take(queue, idle: 5) == [1]) }
    #expect(queue.isEmpty)
  }

  @Test func theOldestLaneGoesFirst() {
    let queue = queue()
    for key in [7, 8, 7, 9] { queue.append(pending(1, key: [key])) }
    let keys = (0..<3).map { _ in queue.take(now: start, idleWorkers: 0).slices.map(\.pending.key) }
    #expect(keys == [[[7], [7]], [[8]], [[9]]])
  }

  @Test func aHeldTurnWaitsForItsEndButNotForLong() {
    let queue = queue(maximum: 4)
    queue.append(pending(1))
    queue.isHeld = true
    let early = queue.take(now: start, idleWorkers: 0)
    #expect(early.slices.isEmpty)
    #expect(early.dueAt == start + queue.patience)
    #expect(queue.isSpokenFor)
    #expect(queue.take(now: start + queue.patience, idleWorkers: 0).slices.count == 1)
    for _ in 0..<5 { queue.append(pending(1)) }
    // A full batch waits for nothing.
    #expect(!queue.isSpokenFor)
    #expect(take(queue).count == 4)
    #expect(take(queue).isEmpty)
    queue.isHeld = false
    #expect(take(queue).count == 1)
  }

  @Test func fewRowsAreLeftToABusyWorkerWhoseRunsAreShort() {
    let queue = queue(shard: 4)
    for _ in 0..<10 {
      queue.beginRun()
      queue.endRun(took: .microseconds(50))
    }
    queue.append(pending(1))
    #expect(take(queue).count == 1)
    queue.beginRun()
    for _ in 0..<3 { queue.append(pending(1)) }
    #expect(queue.isSpokenFor)
    #expect(queue.take(now: start, idleWorkers: 1).dueAt == start + queue.patience)
    #expect(queue.take(now: start + queue.patience, idleWorkers: 1).slices.count == 3)
    for _ in 0..<4 { queue.append(pending(1)) }
    #expect(!queue.isSpokenFor)
    #expect(take(queue, idle: 1).count == 4)
    // The worker is back.
    queue.append(pending(1))
    queue.endRun(took: .microseconds(50))
    #expect(!queue.isSpokenFor)
    #expect(take(queue).count == 1)
  }

  @Test func longRunsAreNotWaitedFor() {
    let queue = queue()
    for _ in 0..<20 {
      queue.beginRun()
      queue.endRun(took: .milliseconds(5))
    }
    queue.beginRun()
    queue.append(pending(1))
    #expect(!queue.isSpokenFor)
    #expect(take(queue, idle: 1).count == 1)
  }

  @Test func delayedLanesSayWhenTheyAreDue() {
    let queue = queue(maximum: 4, delay: .milliseconds(5))
    queue.append(pending(1, key: [1]))
    let early = queue.take(now: start, idleWorkers: 0)
    #expect(early.slices.isEmpty)
    #expect(early.dueAt == start + .milliseconds(5))
    queue.append(pending(4, key: [2]))
    #expect(queue.take(now: start, idleWorkers: 0).slices.map(\.rows.count) == [4])
    #expect(queue.take(now: start + .milliseconds(5), idleWorkers: 0).slices.map(\.rows.count) == [1])
  }
}
