import Tensors

/// Collects how long each node took. Confined to the thread that runs the session.
public final class Profiler {
  /// The times of one node over all runs since the profiler was set.
  public struct Entry: Sendable {
    public let node: String
    public let op: String
    /// The kernel that ran, with its instruction set where it has one: `gemm_f32 avx2`.
    public let kernel: String
    /// Of one call.
    public let work: NodeWork
    public fileprivate(set) var calls = 0
    public fileprivate(set) var nanoseconds = 0
  }

  private var positions: [String: Int] = [:]
  private var recorded: [Entry] = []
  /// The work of the nodes for the input shapes that were seen last.
  private var work: (shapes: [Shape], byNode: [Int: NodeWork])?

  public init() {}

  /// In the order in which the nodes first ran.
  public var entries: [Entry] { recorded }

  /// What node `index` has to do in a run with inputs of these shapes.
  func work(of index: Int, _ shapes: [Shape], _ program: Program) -> NodeWork {
    if work?.shapes != shapes { work = (shapes, (try? program.work(shapes)) ?? [:]) }
    return work?.byNode[index] ?? NodeWork()
  }

  func record(node: String, op: String, kernel: String, work: NodeWork, nanoseconds: Int) {
    let key = node + "\u{0}" + kernel
    let position: Int
    if let known = positions[key] {
      position = known
    } else {
      position = recorded.count
      positions[key] = position
      recorded.append(Entry(node: node, op: op, kernel: kernel, work: work))
    }
    recorded[position].calls += 1
    recorded[position].nanoseconds += nanoseconds
  }
}
