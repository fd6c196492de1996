import Dispatch
import Engine
import Foundation
import GraphIR
import Serving
import Synchronization
import Tensors

/// A clock that stands still until it is moved.
final class FakeClock: ServingClock {
  private let time = Mutex(ContinuousClock.now)

  func now() -> ContinuousClock.Instant { time.withLock { $0 } }
  func advance(by duration: Duration) { time.withLock { $0 += duration } }
}

typealias Answer = Result<InferenceResult, ServingError>

/// Collects the answers of requests by number, in order of arrival.
final class Answers: Sendable {
  private let arrived = Mutex<[(request: Int, answer: Answer)]>([])
  private let semaphore = DispatchSemaphore(value: 0)

  func completion(_ request: Int) -> @Sendable (Answer) -> Void {
    { [self] answer in
      arrived.withLock { $0.append((request: request, answer: answer)) }
      semaphore.signal()
    }
  }

  var order: [Int] { arrived.withLock { $0.map(\.request) } }

  /// Waits for so many answers; what has arrived by then, by request.
  func wait(for count: Int, seconds: Double = 20) -> [Int: Answer] {
    for _ in 0..<count where semaphore.wait(timeout: .now() + seconds) == .timedOut { break }
    return arrived.withLock { Dictionary($0.map { ($0.request, $0.answer) }) { first, _ in first } }
  }
}

extension Result where Success == InferenceResult {
  var floats: [Float]? { (try? get())?.outputs.first?.array(of: Float.self) }
  var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}

/// A directory of the test's own, removed with its last reference.
final class TemporaryDirectory {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "adze-tests-" + UUID().uuidString
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, _ name: String) {
    let url = URL(fileURLWithPath: path + "/" + name)
    try? FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try? Data(text.utf8).write(to: url)
  }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }

  /// Every file and directory below `name`, sorted.
  func contents(_ name: String) -> [String] {
    (FileManager.default.enumerator(atPath: path + "/" + name)?.compactMap { $0 as? String } ?? []).sorted()
  }
}

/// Polls until the condition holds; false when it does not within the time.
func eventually(seconds: Double = 20, _ condition: () throws -> Bool) rethrows -> Bool {
  let end = Date().addingTimeInterval(seconds)
  while Date() < end {
    if try condition() { return true }
    usleep(5000)
  }
  return try condition()
}
