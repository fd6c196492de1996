import Engine
import GraphIR
import Synchronization
import Tensors
import Testing

@testable import Serving

/// A servable over a pool of its own, with a clock that the test moves.
private struct Rig {
  let clock = FakeClock()
  let pool: WorkerPool
  let servable: Servable
  let configuration: ServingConfiguration

  init(
    _ model: Model, options: CompileOptions = .init(),
    _ change: (inout ServingConfiguration) -> Void = { _ in }
  ) throws {
    var configuration = ServingConfiguration(modelsDirectory: "m", dataDirectory: "d")
    configuration.workerThreads = 1
    change(&configuration)
    self.configuration = configuration
    pool = WorkerPool(configuration: configuration, clock: clock)
    servable = try Rig.servable(model, configuration, pool, options: options)
  }

  static func servable(
    _ model: Model, _ configuration: ServingConfiguration, _ pool: WorkerPool, name: String = "m",
    options: CompileOptions = .init()
  ) throws -> Servable {
    Servable(
      name: name, version: 1, program: try Program.compile(model, options: options),
      configuration: configuration,
      workers: pool,
      statistics: ModelStatistics(model: name, version: 1))
  }

  func submit(
    _ tensor: Tensor, _ answers: Answers, _ number: Int = 0, deadline: ContinuousClock.Instant? = nil,
    isFollowed: Bool = false, isCancelled: (@Sendable () -> Bool)? = nil
  ) throws {
    try servable.submit(
      InferenceRequest(
        inputs: [tensor], outputs: [0], deadline: deadline, isCancelled: isCancelled,
        isFollowed: isFollowed, completion: answers.completion(number)))
  }
}

extension CompileOptions {
  fileprivate static func limited(to bytes: Int) -> CompileOptions {
    var options = CompileOptions()
    options.arenaLimit = bytes
    return options
  }
}

private func row(_ number: Int) -> [Float] { (0..<4).map { Float(number * 4 + $0) / 8 } }
private func rows(_ range: Range<Int>) throws -> Tensor {
  try Tensor(shape: [range.count, 4], range.flatMap(row))
}

@Suite struct BatcherTests {
  @Test func modelsWithALeadingBatchAxisAreBatched() throws {
    #expect(try Rig(try TestModels.product()).servable.maxBatchSize == 64)
    #expect(try Rig(try TestModels.total()).servable.maxBatchSize == 0)
  }

  @Test func waitingRequestsFormBatches() throws {
    let rig = try Rig(try TestModels.product())
    let answers = Answers()
    for number in 0..<11 { try rig.submit(try rows(number..<number + 1), answers, number) }
    #expect(rig.servable.waitingRequests == 11)
    rig.pool.start()
    let got = answers.wait(for: 11)
    for number in 0..<11 {
      #expect(got[number]?.floats == TestModels.expectedProduct(row(number)))
    }
    // 11 rows: a batch of 8, then one of 3.
    #expect(rig.servable.statistics.executions.value == 2)
    #expect(rig.servable.statistics.inferences.value == 11)
    #expect(try got[0]?.get().batchSize == 8)
    #expect(try got[10]?.get().batchSize == 3)
    #expect(rig.servable.waitingRequests == 0)
    rig.pool.stop()
  }

  @Test(arguments: [1, 2, 7, 16, 17, 100])
  func requestsOfManyRowsAreDividedAndPutTogether(count: Int) throws {
    for threads in [1, 4] {
      let rig = try Rig(try TestModels.product()) {
        $0.maximumBatchSize = 16
        $0.workerThreads = threads
      }
      rig.pool.start()
      let answers = Answers()
      try rig.submit(try rows(0..<count), answers)
      let result = try #require(answers.wait(for: 1)[0]).get()
      #expect(result.outputs[0].shape == [count, 3])
      #expect(
        result.outputs[0].array(of: Float.self) == (0..<count).flatMap { TestModels.expectedProduct(row($0)) }
      )
      #expect(result.batchSize <= 16)
      rig.pool.stop()
    }
  }

  @Test func noRowsAreAnsweredWithNoRows() throws {
    let rig = try Rig(try TestModels.product())
    rig.pool.start()
    let answers = Answers()
    try rig.submit(try rows(0..<0), answers)
    #expect(try answers.wait(for: 1)[0]?.get().outputs[0].shape == [0, 3])
    rig.pool.stop()
  }

  @Test func onlyRequestsOfEqualShapeAreRunTogether() throws {
    let rig = try Rig(TestModels.negation())
    let answers = Answers()
    for number in 0..<12 {
      let width = 2 + number % 3
      try rig.submit(
        try Tensor(shape: [1, width], [Float](repeating: Float(number), count: width)), answers, number)
    }
    rig.pool.start()
    let got = answers.wait(for: 12)
    for number in 0..<12 {
      #expect(got[number]?.floats == [Float](repeating: -Float(number), count: 2 + number % 3))
    }
    #expect(rig.servable.statistics.executions.value == 3)
    rig.pool.stop()
  }

  @Test func modelsThatMixRowsRunRequestsAlone() throws {
    let rig = try Rig(try TestModels.total())
    let answers = Answers()
    for number in 0..<3 { try rig.submit(try rows(number..<number + 2), answers, number) }
    rig.pool.start()
    let got = answers.wait(for: 3)
    for number in 0..<3 {
      #expect(got[number]?.floats == zip(row(number), row(number + 1)).map { $0 + $1 })
    }
    #expect(rig.servable.statistics.executions.value == 3)
    rig.pool.stop()
  }

  @Test func aFailingRequestDoesNotFailItsBatchMates() throws {
    let rig = try Rig(try TestModels.lookup())
    let answers = Answers()
    for (number, index) in [1, 99, 4].enumerated() {
      try rig.submit(try Tensor(shape: [1], [Int64(index)]), answers, number)
    }
    rig.pool.start()
    let got = answers.wait(for: 3)
    #expect(got[0]?.floats == [2, 3])
    #expect(got[2]?.floats == [8, 9])
    guard case .inference(let reason)? = got[1]?.failure else {
      Issue.record("expected an inference error, got \(String(describing: got[1]))")
      return
    }
    #expect(reason.contains("lookup"))
    #expect(rig.servable.statistics.successes.value == 2)
    #expect(rig.servable.statistics.failures[FailureReason.backend.rawValue].value == 1)
    rig.pool.stop()
  }

  @Test func aRequestThatNeedsTooMuchMemoryIsTheClientsFault() throws {
    let rig = try Rig(TestModels.negation(), options: CompileOptions.limited(to: 1 << 20))
    rig.pool.start()
    let answers = Answers()
    try rig.submit(try Tensor(type: .float32, shape: [1, 1 << 20]), answers, 0)
    try rig.submit(try Tensor(type: .float32, shape: [1, 3]), answers, 1)
    let got = answers.wait(for: 2)
    guard case .invalidRequest? = got[0]?.failure else {
      Issue.record("expected .invalidRequest, got \(String(describing: got[0]))")
      return
    }
    #expect(got[1]?.floats?.count == 3)
    rig.pool.stop()
  }

  // MARK: Refusals

  @Test func aFullQueueRefuses() throws {
    let rig = try Rig(try TestModels.product()) { $0.maximumQueuedRequests = 2 }
    let answers = Answers()
    for number in 0..<2 { try rig.submit(try rows(0..<1), answers, number) }
    let error = #expect(throws: ServingError.self) { try rig.submit(try rows(0..<1), answers, 2) }
    guard case .overloaded? = error else {
      Issue.record("expected .overloaded, got \(String(describing: error))")
      return
    }
    rig.pool.start()
    #expect(answers.wait(for: 2).count == 2)
    rig.pool.stop()
  }

  @Test func waitingBytesAreBounded() throws {
    let rig = try Rig(try TestModels.product()) { $0.maximumQueuedBytes = 40 }
    let answers = Answers()
    for number in 0..<2 { try rig.submit(try rows(0..<1), answers, number) }
    #expect(throws: ServingError.self) { try rig.submit(try rows(0..<1), answers, 2) }
    rig.pool.start()
    _ = answers.wait(for: 2)
    // What was answered makes room again.
    try rig.submit(try rows(0..<1), answers, 3)
    #expect(answers.wait(for: 1)[3]?.floats != nil)
    rig.pool.stop()
  }

  @Test func aPassedDeadlineIsRefusedAtOnce() throws {
    let rig = try Rig(try TestModels.product())
    #expect(throws: ServingError.deadlineExceeded) {
      try rig.submit(try rows(0..<1), Answers(), deadline: rig.clock.now() - .seconds(1))
    }
  }

  @Test func deadlinesThatPassInTheQueueAreSkipped() throws {
    let rig = try Rig(try TestModels.product()) { $0.requestTimeoutMilliseconds = 50 }
    let answers = Answers()
    try rig.submit(try rows(0..<1), answers, 0)
    try rig.submit(try rows(1..<2), answers, 1, deadline: rig.clock.now() + .seconds(5))
    rig.clock.advance(by: .milliseconds(60))
    rig.pool.start()
    let got = answers.wait(for: 2)
    #expect(got[0]?.failure == .deadlineExceeded)
    #expect(got[1]?.floats == TestModels.expectedProduct(row(1)))
    #expect(rig.servable.statistics.inferences.value == 1)
    rig.pool.stop()
  }

  @Test func aSweepAnswersWithoutAFreeWorker() throws {
    let rig = try Rig(try TestModels.product()) { $0.maximumQueuedRequests = 2 }
    let answers = Answers()
    try rig.submit(try rows(0..<1), answers, 0, deadline: rig.clock.now() + .seconds(1))
    try rig.submit(try rows(1..<2), answers, 1)
    rig.pool.sweep()
    #expect(rig.servable.waitingRequests == 2)
    rig.clock.advance(by: .seconds(2))
    rig.pool.sweep()
    #expect(answers.wait(for: 1)[0]?.failure == .deadlineExceeded)
    #expect(rig.servable.waitingRequests == 1)
    rig.pool.start()
    #expect(answers.wait(for: 1)[1]?.floats != nil)
    rig.pool.stop()
  }

  @Test func cancelledRequestsAreNotRun() throws {
    let rig = try Rig(try TestModels.product())
    let answers = Answers()
    let flag = Flag()
    try rig.submit(try rows(0..<1), answers, 0, isCancelled: { flag.isSet })
    try rig.submit(try rows(1..<2), answers, 1)
    flag.set()
    rig.pool.start()
    let got = answers.wait(for: 2)
    #expect(got[0]?.failure == .cancelled)
    #expect(got[1]?.floats == TestModels.expectedProduct(row(1)))
    #expect(rig.servable.statistics.failures[FailureReason.cancelled.rawValue].value == 1)
    rig.pool.stop()
  }

  @Test func aStoppedPoolFinishesAndRefuses() throws {
    let rig = try Rig(try TestModels.product()) { $0.maximumQueueDelayMicroseconds = 60_000_000 }
    let answers = Answers()
    try rig.submit(try rows(0..<1), answers)
    rig.pool.start()
    rig.pool.stop()
    #expect(answers.wait(for: 1)[0]?.floats != nil)
    #expect(throws: ServingError.shuttingDown) { try rig.submit(try rows(0..<1), answers) }
  }

  @Test func aPoolStopsAfterASweepEmptiedItsQueues() throws {
    let rig = try Rig(try TestModels.product()) { $0.workerThreads = 3 }
    let answers = Answers()
    try rig.submit(try rows(0..<1), answers, deadline: rig.clock.now() + .seconds(1))
    rig.clock.advance(by: .seconds(2))
    rig.pool.sweep()
    rig.pool.start()
    rig.pool.stop()
    #expect(answers.wait(for: 1)[0]?.failure == .deadlineExceeded)
  }

  // MARK: Delay and fairness

  @Test func aDelayedRequestWaitsForMates() throws {
    let rig = try Rig(try TestModels.product()) { $0.maximumQueueDelayMicroseconds = 1000 }
    rig.pool.start()
    let answers = Answers()
    try rig.submit(try rows(0..<1), answers, 0)
    try rig.submit(try rows(1..<2), answers, 1)
    rig.pool.wake()
    #expect(answers.wait(for: 1, seconds: 0.1).isEmpty)
    rig.clock.advance(by: .milliseconds(2))
    rig.pool.wake()
    let got = answers.wait(for: 2)
    #expect(try got[0]?.get().batchSize == 2)
    #expect(try got[1]?.get().batchSize == 2)
    rig.pool.stop()
  }

  @Test(arguments: [1, 4])
  func theRequestsOfATurnAreRunTogether(threads: Int) throws {
    let rig = try Rig(try TestModels.product()) { $0.workerThreads = threads }
    rig.pool.start()
    let answers = Answers()
    for number in 0..<6 { try rig.submit(try rows(number..<number + 1), answers, number, isFollowed: true) }
    rig.pool.wake()
    #expect(answers.wait(for: 1, seconds: 0.1).isEmpty)
    rig.pool.endTurn()
    let got = answers.wait(for: 6)
    for number in 0..<6 { #expect(try got[number]?.get().batchSize == 6) }
    rig.pool.stop()
  }

  @Test func aTurnThatDoesNotEndHoldsNothingUp() throws {
    let rig = try Rig(try TestModels.product())
    rig.pool.start()
    let answers = Answers()
    try rig.submit(try rows(0..<1), answers, 0, isFollowed: true)
    rig.clock.advance(by: .milliseconds(1))
    try rig.submit(try rows(1..<2), answers, 1, isFollowed: true)
    #expect(answers.wait(for: 2).count == 2)
    try rig.submit(try rows(2..<3), answers, 2, isFollowed: true)
    rig.pool.stop()
    #expect(answers.wait(for: 1)[2]?.floats == TestModels.expectedProduct(row(2)))
  }

  @Test func aFullBatchDoesNotWait() throws {
    let rig = try Rig(try TestModels.product()) {
      $0.maximumQueueDelayMicroseconds = 60_000_000
      $0.maximumBatchSize = 2
    }
    rig.pool.start()
    let answers = Answers()
    for number in 0..<2 { try rig.submit(try rows(number..<number + 1), answers, number) }
    #expect(answers.wait(for: 2).count == 2)
    rig.pool.stop()
  }

  @Test func aBusyModelDoesNotStarveAnother() throws {
    let rig = try Rig(try TestModels.product()) { $0.maximumBatchSize = 4 }
    let quiet = try Rig.servable(try TestModels.product(), rig.configuration, rig.pool, name: "quiet")
    let answers = Answers()
    for number in 0..<40 { try rig.submit(try rows(number..<number + 1), answers, number) }
    try quiet.submit(
      InferenceRequest(inputs: [try rows(0..<1)], outputs: [0], completion: answers.completion(1000)))
    rig.pool.start()
    _ = answers.wait(for: 41)
    let position = try #require(answers.order.firstIndex(of: 1000))
    #expect(position <= 4)
    rig.pool.stop()
  }

  @Test func manyClientsAndWorkersGetTheirOwnAnswers() throws {
    let (clients, each) = (8, 200)
    let rig = try Rig(try TestModels.product()) {
      $0.workerThreads = 4
      $0.maximumQueuedRequests = clients * each
    }
    rig.pool.start()
    let answers = Answers()
    let threads = (0..<clients).map { client in
      ComputeThread(name: "client") {
        for number in client * each..<(client + 1) * each {
          guard let tensor = try? rows(number..<number + 1 + number % 3) else { return }
          try? rig.submit(tensor, answers, number)
        }
      }
    }
    for thread in threads { thread.join() }
    let got = answers.wait(for: clients * each)
    #expect(got.count == clients * each)
    let wrong = (0..<clients * each).filter { number in
      got[number]?.floats
        != (number..<number + 1 + number % 3).flatMap { TestModels.expectedProduct(row($0)) }
    }
    #expect(wrong.isEmpty)
    rig.pool.stop()
  }
}

final class Flag: Sendable {
  private let value = Atomic(false)
  var isSet: Bool { value.load(ordering: .acquiring) }
  func set() { value.store(true, ordering: .releasing) }
}
