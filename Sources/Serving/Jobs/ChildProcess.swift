import CLinux
import Glibc

/// Runs another program and waits for it. No shell, no input, no descriptors but its outputs, an environment of its
/// own, and a process group of its own that is gone when `run` returns.
struct ChildProcess {
  var executable: String
  var arguments: [String]
  var environment: [String]
  /// Its working directory.
  var directory: String
  /// Wall-clock time after which it is ended.
  var timeLimit: Duration
  /// From the polite signal to the final one.
  var killGrace: Duration
  /// The same for a process that was asked to finish.
  var finishGrace: Duration
  /// 0…19
  var niceness: Int

  /// What becomes of a running process. It never goes back: who wants a process gone cannot want it again.
  enum Wish: Equatable {
    case goOn
    /// It gets a polite signal, and what it brings by then counts.
    case finish
    case cancel
  }

  enum End: Equatable {
    case exited(code: Int32)
    case killed(signal: Int32)
    case timedOut
    /// Unwanted, or asked to finish and did not.
    case cancelled
  }

  struct Result: Equatable {
    var end: End
    /// The last bytes of standard error.
    var errorTail: [UInt8]
  }

  private static let errorTailBytes = 8192
  private static let pollMilliseconds: Int32 = 50
  /// How long output is read on after the process has ended, since a stray descendant may hold the pipe open.
  private static let drainTime = Duration.seconds(1)

  /// Blocks until the process and its group are gone.
  /// - Parameters:
  ///   - wish: asked every 50 ms.
  ///   - onLine: called with each line of standard output of at most `LineSplitter.maximumLength` bytes.
  /// - Throws: `.storage` when it cannot be started.
  func run(wish: () -> Wish, onLine: ([UInt8]) -> Void) throws(ServingError) -> Result {
    let output = try Pipe()
    let errors = try Pipe()
    let process = try start(output, errors)
    output.closeWriteEnd()
    errors.closeWriteEnd()

    var supervisor = Supervisor(process: process, limits: self)
    var lines = LineSplitter()
    var tail: [UInt8] = []
    var drainUntil: ContinuousClock.Instant?
    while output.isOpen || errors.isOpen || drainUntil == nil {
      Pipe.wait(for: [output, errors], milliseconds: Self.pollMilliseconds)
      if let bytes = output.read() { lines.append(bytes, onLine) }
      if let bytes = errors.read() { tail = (tail + bytes).suffix(Self.errorTailBytes) }
      if drainUntil == nil && supervisor.hasEnded(wish) {
        // The leader is not reaped yet, so its group id cannot belong to anyone else.
        kill(-process, SIGKILL)
        drainUntil = .now + Self.drainTime
      }
      if let end = drainUntil, .now >= end { break }
    }
    return Result(end: supervisor.reap(), errorTail: tail)
  }

  private func start(_ output: Pipe, _ errors: Pipe) throws(ServingError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.writeEnd, 1)
    posix_spawn_file_actions_adddup2(&actions, errors.writeEnd, 2)
    adze_spawn_close_from(&actions, 3)
    adze_spawn_change_directory(&actions, directory)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    posix_spawnattr_setpgroup(&attributes, 0)
    // What the server ignores must end its children: a write to a pipe that nobody reads, above all.
    var signals = sigset_t()
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)

    var process = pid_t()
    let code = Self.withStrings([executable] + arguments) { arguments in
      Self.withStrings(environment) { environment in
        posix_spawn(&process, executable, &actions, &attributes, arguments, environment)
      }
    }
    if code != 0 { throw FileSystem.failure("starting the job's process", code: code) }
    setpriority(__priority_which_t(PRIO_PGRP.rawValue), id_t(process), Int32(niceness))
    return process
  }

  /// Calls `body` with a null-terminated array of C strings.
  private static func withStrings<R>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R
  ) -> R {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}

/// Watches one child: ends it when its time is over or it is not wanted any more, and learns how it ended.
private struct Supervisor {
  let process: pid_t
  private let limits: ChildProcess
  private let timesOutAt: ContinuousClock.Instant
  private var isFinishing = false
  private var reason: ChildProcess.End?
  private var killsAt: ContinuousClock.Instant?

  init(process: pid_t, limits: ChildProcess) {
    self.process = process
    self.limits = limits
    timesOutAt = .now + limits.timeLimit
  }

  mutating func hasEnded(_ wish: () -> ChildProcess.Wish) -> Bool {
    var information = siginfo_t()
    let code = waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT)
    if code == 0 && information.si_signo == SIGCHLD { return true }
    if reason == nil { obey(wish()) }
    if let killsAt, .now >= killsAt {
      if isFinishing { reason = reason ?? .cancelled }
      kill(-process, SIGKILL)
    }
    return false
  }

  private mutating func obey(_ wish: ChildProcess.Wish) {
    if wish == .cancel {
      end(.cancelled)
    } else if ContinuousClock.now >= timesOutAt {
      end(.timedOut)
    } else if wish == .finish && !isFinishing {
      isFinishing = true
      signal(grace: limits.finishGrace)
    }
  }

  private mutating func end(_ reason: ChildProcess.End) {
    self.reason = reason
    signal(grace: limits.killGrace)
  }

  private mutating func signal(grace: Duration) {
    kill(-process, SIGTERM)
    kill(-process, SIGCONT)
    killsAt = .now + grace
  }

  func reap() -> ChildProcess.End {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    let signal = status & 0x7F
    if let reason { return reason }
    // The request to finish came before the process knew what to make of it.
    if isFinishing && signal == SIGTERM { return .cancelled }
    return signal == 0 ? .exited(code: (status >> 8) & 0xFF) : .killed(signal: signal)
  }
}
