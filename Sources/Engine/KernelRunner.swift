import Tensors

extension Kernel {
  /// Bytes of scratch memory that a run with `threads` threads needs, each part rounded to whole cache lines.
  func scratchBytes(threads: Int) -> Int {
    Self.padded(sharedScratch) + threads * Self.padded(threadScratch)
  }

  private static func padded(_ bytes: Int) -> Int {
    bytes == 0 ? 0 : (bytes + AlignedBuffer.alignment - 1) & ~(AlignedBuffer.alignment - 1)
  }

  /// Runs all phases. `scratch` has room for `scratchBytes(threads: team.threads)`.
  func run(
    _ pointers: UnsafePointer<UnsafeMutableRawPointer?>, inputCount: Int,
    scratch: UnsafeMutableRawPointer, team: ThreadTeam, requests: Int = 1
  ) throws {
    let threadScratch = scratch + Self.padded(sharedScratch)
    let operands = KernelOperands(
      pointers: pointers, inputCount: inputCount, sharedScratch: scratch, requests: requests,
      threadScratch: threadScratch)
    for phase in phases {
      if phase.pieces == 1 || team.threads == 1 {
        for piece in 0..<phase.pieces { try phase.body(operands, piece) }
      } else {
        try Self.share(phase, operands, Self.padded(self.threadScratch), team)
      }
    }
  }

  private struct Job {
    let body: (KernelOperands, Int) throws -> Void
    let operands: KernelOperands
    let stride: Int
    /// One for each thread, so that no two write the same one.
    let failures: UnsafeMutablePointer<(any Error)?>
  }

  private static func share(
    _ phase: Phase, _ operands: KernelOperands, _ stride: Int, _ team: ThreadTeam
  ) throws {
    try withUnsafeTemporaryAllocation(of: (any Error)?.self, capacity: team.threads) { failures in
      failures.initialize(repeating: nil)
      defer { failures.deinitialize() }
      var job = Job(body: phase.body, operands: operands, stride: stride, failures: failures.baseAddress!)
      withUnsafeMutablePointer(to: &job) { job in
        team.dispatch(phase.pieces, context: job) { context, piece, worker in
          let job = context.assumingMemoryBound(to: Job.self)
          var operands = job.pointee.operands
          operands.threadScratch += worker * job.pointee.stride
          do { try job.pointee.body(operands, piece) } catch { job.pointee.failures[worker] = error }
        }
      }
      if let failure = failures.first(where: { $0 != nil }) ?? nil { throw failure }
    }
  }
}
