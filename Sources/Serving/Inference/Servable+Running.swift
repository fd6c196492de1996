import Engine
import Synchronization
import Tensors

extension Servable: BatchRunner {
  func refuse(_ pending: PendingRequest, _ error: ServingError) {
    if !pending.claim() { return }
    // Counted before it is told, so that whoever has the answer finds it in the statistics.
    statistics.recordFailure(error, request: age(of: pending))
    pending.request.completion(.failure(error))
  }

  func run(_ batch: Batch, on team: ThreadTeam?) {
    let outcome = sessions.withSession(on: team) { session in
      session.isCancelled = { [workers] in
        let now = workers.clock.now()
        return batch.slices.allSatisfy { $0.pending.obsolete(at: now) != nil }
      }
      defer { session.isCancelled = nil }
      return BatchRun.run(batch.slices, on: session, clock: workers.clock)
    }
    switch outcome {
    case .success(let run): answer(batch, run)
    case .failure(let error): settle(batch, error, on: team)
    }
  }

  private func answer(_ batch: Batch, _ run: BatchRun.Outcome) {
    statistics.recordRun(rows: batch.slices.reduce(0) { $0 + $1.rows.count }, times: run.times)
    for (slice, outputs) in zip(batch.slices, run.outputs) {
      let pending = slice.pending
      if let error = pending.obsolete(at: workers.clock.now()) {
        refuse(pending, error)
        continue
      }
      let progress = pending.add(
        PendingRequest.Contribution(
          rows: slice.rows, outputs: outputs,
          queueNanoseconds: pending.submitted.duration(to: batch.taken).nanoseconds,
          computeNanoseconds: run.times.total, batchSize: run.rows))
      switch progress {
      case .partial: break
      case .complete(let result):
        statistics.recordSuccess(
          request: age(of: pending), queue: result.queueNanoseconds, times: run.times)
        pending.request.completion(.success(result))
      case .inconsistent:
        runsAlone.store(true, ordering: .relaxed)
        refuse(pending, .inference(reason: "the model's outputs cannot be divided by rows"))
      }
    }
  }

  private func age(of pending: PendingRequest) -> Int {
    pending.submitted.duration(to: workers.clock.now()).nanoseconds
  }

  /// After a failed run: its requests are run one by one, so that only those that cause the failure get it.
  private func settle(_ batch: Batch, _ failure: BatchRun.Failure, on team: ThreadTeam?) {
    if failure == .notByRows { runsAlone.store(true, ordering: .relaxed) }
    if batch.slices.count > 1 && failure != .cancelled {
      for slice in batch.slices {
        run(Batch(runner: self, slices: [slice], taken: batch.taken), on: team)
      }
      return
    }
    let now = workers.clock.now()
    for slice in batch.slices {
      let error = slice.pending.obsolete(at: now) ?? failure.error
      refuse(slice.pending, error)
    }
  }
}
