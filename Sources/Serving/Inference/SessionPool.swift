import Engine
import Synchronization

/// The sessions, and with them the arenas, of one model. There are never more than batches of it ran at once; they go
/// with the model.
final class SessionPool: Sendable {
  private struct Idle: @unchecked Sendable {
    // Sendable because a session is either here or with the one thread that took it.
    var sessions: [(team: ObjectIdentifier, session: Session)] = []
    var arenaBytes: [ObjectIdentifier: Int] = [:]
  }

  private let program: Program
  private let soloTeam = ThreadTeam(threads: 1)
  private let idle = Mutex(Idle())

  init(program: Program) { self.program = program }

  /// Bytes of all arenas, as of each session's last run.
  var arenaBytes: Int { idle.withLock { $0.arenaBytes.values.reduce(0, +) } }

  /// Calls `body` with a session that runs on `team`, or on the calling thread alone.
  func withSession<R>(on team: ThreadTeam?, _ body: (Session) -> R) -> R {
    let team = team ?? soloTeam
    let session = take(ObjectIdentifier(team)) ?? Session(program, team: team)
    defer { give(session, ObjectIdentifier(team)) }
    return body(session)
  }

  private func take(_ team: ObjectIdentifier) -> Session? {
    let taken = idle.withLock { idle -> TakenSession? in
      guard let position = idle.sessions.lastIndex(where: { $0.team == team }) else { return nil }
      return TakenSession(session: idle.sessions.remove(at: position).session)
    }
    return taken?.session
  }

  private func give(_ session: Session, _ team: ObjectIdentifier) {
    let given = TakenSession(session: session)
    idle.withLock { idle in
      idle.arenaBytes[ObjectIdentifier(given.session)] = given.session.arenaBytes
      idle.sessions.append((team: team, session: given.session))
    }
  }

  private struct TakenSession: @unchecked Sendable {
    // Crosses the lock between the pool and the one thread that uses it.
    let session: Session
  }
}
