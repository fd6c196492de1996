/// Collects how long each node took. Confined to the thread that runs the session.
public final class Profiler {
  /// The times of one node over all runs since the profiler was set.
  public struct Entry: Sendable {
    public let node: String
    public let op: String
    /// The kernel that ran, with its instruction set where it has one: `gemm_f32 avx2`.
    public let kernel: String
    public fileprivate(set) var calls = 0
    public fileprivate(set) var nanoseconds = 0
  }

  private var positions: [String: Int] = [:]
  private var recorded: [Entry] = []

  public init() {}

  /// In the order in which the nodes first ran.
  public var entries: [Entry] { recorded }

  func record(node: String, op: String, kernel: String, nanoseconds: Int) {
    let key = node + "\u{0}" + kernel
    let position: Int
    if let known = positions[key] {
      position = known
    } else {
      position = recorded.count
      positions[key] = position
      recorded.append(Entry(node: node, op: op, kernel: kernel))
    }
    recorded[position].calls += 1
    recorded[position].nanoseconds += nanoseconds
  }
}
