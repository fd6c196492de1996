import Foundation
import Testing

@testable import Serving

@Suite struct ChildProcessTests {
  private let directory = TemporaryDirectory()

  private func run(
    _ script: String, timeLimit: Duration = .seconds(20), grace: Duration = .seconds(5),
    finishGrace: Duration = .seconds(5), wish: () -> ChildProcess.Wish = { .goOn }
  ) throws -> (result: ChildProcess.Result, lines: [String]) {
    let child = ChildProcess(
      executable: "/bin/sh", arguments: ["-c", script], environment: ["PATH=/usr/bin:/bin", "A=b"],
      directory: directory.path, timeLimit: timeLimit, killGrace: grace, finishGrace: finishGrace,
      niceness: 3)
    var lines: [String] = []
    let result = try child.run(wish: wish) { lines.append(String(decoding: $0, as: UTF8.self)) }
    return (result, lines)
  }

  @Test func outputErrorsAndExitCodeArrive() throws {
    let (result, lines) = try run("echo one; echo two; echo bad >&2; exit 3")
    #expect(result.end == .exited(code: 3))
    #expect(lines == ["one", "two"])
    #expect(result.errorTail == Array("bad\n".utf8))
  }

  @Test func theChildSeesNothingOfTheServers() throws {
    let (_, lines) = try run(
      "pwd -P; env | grep -v '^PWD\\|^OLDPWD\\|^SHLVL\\|^_='; ls /proc/self/fd | wc -l; nice; cat | wc -c")
    #expect(lines.first?.hasSuffix((directory.path as NSString).lastPathComponent) == true)
    #expect(lines.contains("A=b"))
    // 0, 1, 2 and the one that `ls` itself opens; the pipe to `wc` stands for 1.
    #expect(Array(lines.suffix(3)) == ["4", "3", "0"])
    #expect(lines.count == 6)
  }

  @Test func aSignalIsTold() throws {
    #expect(try run("kill -KILL $$").result.end == .killed(signal: 9))
  }

  @Test func timeIsLimited() throws {
    let started = ContinuousClock.now
    let (result, _) = try run("sleep 60", timeLimit: .milliseconds(200))
    #expect(result.end == .timedOut)
    #expect(ContinuousClock.now - started < .seconds(10))
  }

  @Test func cancelEndsEvenWhoeverDoesNotListen() throws {
    var asked = 0
    let (result, _) = try run(
      "trap '' TERM; while true; do sleep 0.05; done", grace: .milliseconds(200),
      wish: {
        asked += 1
        return asked > 3 ? .cancel : .goOn
      })
    #expect(result.end == .cancelled)
  }

  /// Asks for `wish` once the script has written a line.
  private func runUntilReady(
    _ script: String, finishGrace: Duration = .seconds(20), then wish: ChildProcess.Wish = .finish,
    later: ChildProcess.Wish = .finish
  ) throws -> ChildProcess.End {
    let child = ChildProcess(
      executable: "/bin/sh", arguments: ["-c", script], environment: ["PATH=/usr/bin:/bin"],
      directory: directory.path, timeLimit: .seconds(20), killGrace: .milliseconds(200),
      finishGrace: finishGrace, niceness: 0)
    var lines = 0
    return try child.run(wish: { lines == 0 ? .goOn : lines == 1 ? wish : later }) { _ in lines += 1 }.end
  }

  @Test func whoIsAskedToFinishMayDoSo() throws {
    let loop = "while true; do sleep 0.02; done"
    // What it brings counts, whether it succeeded or not.
    #expect(try runUntilReady("trap 'sleep 0.3; exit 0' TERM; echo ready; \(loop)") == .exited(code: 0))
    #expect(try runUntilReady("trap 'exit 4' TERM; echo ready; \(loop)") == .exited(code: 4))
    // One that does not know what is asked, one that does not come to an end, one that is not waited for any more.
    #expect(try runUntilReady("echo ready; \(loop)") == .cancelled)
    let deaf = "trap '' TERM; echo ready; \(loop)"
    #expect(try runUntilReady(deaf, finishGrace: .milliseconds(200)) == .cancelled)
    let slow = "trap 'echo asked' TERM; echo ready; \(loop)"
    #expect(try runUntilReady(slow, then: .finish, later: .cancel) == .cancelled)
  }

  @Test func descendantsGoWithTheirLeader() throws {
    let (result, _) = try run("sleep 300 & echo $! > descendant; exit 0")
    #expect(result.end == .exited(code: 0))
    let text = try String(contentsOfFile: directory.path + "/descendant", encoding: .utf8)
    let process = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(eventually { kill(process, 0) != 0 || isZombie(process) })
  }

  private func isZombie(_ process: pid_t) -> Bool {
    let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
    return status?.contains(") Z ") ?? true
  }

  @Test func aMissingProgramIsAnError() {
    let child = ChildProcess(
      executable: "/nonexistent", arguments: [], environment: [], directory: directory.path,
      timeLimit: .seconds(1), killGrace: .seconds(1), finishGrace: .seconds(1), niceness: 0)
    #expect(throws: ServingError.self) { try child.run(wish: { .goOn }, onLine: { _ in }) }
  }

  @Test func muchOutputIsBounded() throws {
    let (result, lines) = try run(
      "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end; head -c 100000 /dev/zero >&2")
    #expect(lines == ["end"])
    #expect(result.errorTail.count == 8192)
  }

  @Test func progressLinesAreBounded() {
    let cases: [(String, ProgressLine?)] = [
      ("{\"stage\":\"calibrate\",\"progress\":0.25}", ProgressLine(stage: "calibrate", progress: 0.25)),
      ("{\"stage\":\"a\",\"progress\":7}", ProgressLine(stage: "a", progress: 1)),
      ("{\"stage\":\"a\",\"progress\":-1}", ProgressLine(stage: "a", progress: 0)),
      ("{\"stage\":\"a\\nb\",\"progress\":0}", ProgressLine(stage: "ab", progress: 0)),
      (
        "{\"stage\":\"\(String(repeating: "y", count: 100))\",\"progress\":0}",
        ProgressLine(stage: String(repeating: "y", count: 64), progress: 0)
      ),
      (
        "{\"stage\":\"a\",\"progress\":0,\"seconds_left\":2.5}",
        ProgressLine(stage: "a", progress: 0, secondsLeft: 2.5)
      ),
      (
        "{\"stage\":\"a\",\"progress\":0,\"seconds_left\":1e99}",
        ProgressLine(stage: "a", progress: 0, secondsLeft: 31_536_000)
      ),
      (
        "{\"stage\":\"a\",\"progress\":0,\"seconds_left\":-1}",
        ProgressLine(stage: "a", progress: 0, secondsLeft: 0)
      ),
      ("{\"stage\":\"a\",\"progress\":0,\"seconds_left\":\"x\"}", nil),
      ("{\"progress\":0}", nil), ("[]", nil), ("", nil), ("{", nil), ("{\"stage\":1,\"progress\":0}", nil),
    ]
    for (text, expected) in cases { #expect(ProgressLine.parse(Array(text.utf8)) == expected) }
  }

  @Test func errorsHidePathsAndControlCharacters() {
    let tail = Array("first\nError: cannot open '/data/x/model.onnx'\u{1B}[31m\n  \n".utf8)
    #expect(JobError.lastLine(tail, hiding: ["/data/x"]) == "cannot open 'model.onnx'[31m")
    #expect(JobError.lastLine([], hiding: []) == nil)
  }
}
