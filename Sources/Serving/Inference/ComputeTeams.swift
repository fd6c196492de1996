import Engine
import Synchronization

/// A group of threads that a batch may be given; its `ThreadTeam` is made on first use.
final class ComputeTeam: Sendable {
  let threads: Int
  private let made = Mutex<ThreadTeam?>(nil)

  init(threads: Int) { self.threads = threads }

  var team: ThreadTeam {
    made.withLock { made in
      let team = made ?? ThreadTeam(threads: threads)
      made = team
      return team
    }
  }
}

/// The thread groups of a worker pool: of all threads, of halves, of quarters … down to pairs, so that however many
/// workers are idle a group of at least half of them is free. Groups in use never have more threads than tokens
/// were taken for them.
struct ComputeTeams {
  private var free: [ComputeTeam] = []  // largest first

  init(threads: Int, largest: Int) {
    var size = min(largest, threads)
    while size >= 2 {
      for _ in 0..<threads / size { free.append(ComputeTeam(threads: size)) }
      size /= 2
    }
  }

  /// The largest free group of at most `limit` threads.
  mutating func take(atMost limit: Int) -> ComputeTeam? {
    guard let position = free.firstIndex(where: { $0.threads <= limit }) else { return nil }
    return free.remove(at: position)
  }

  mutating func giveBack(_ team: ComputeTeam) {
    let position = free.firstIndex { $0.threads <= team.threads } ?? free.count
    free.insert(team, at: position)
  }
}
