import Synchronization

/// A directory for files that are not published yet; removed with its last reference unless it was moved away.
final class StagedDirectory: Sendable {
  let path: String
  private let moved = Atomic<Bool>(false)
  private static let counter = Atomic<Int>(0)

  /// - Parameter parent: a directory that is emptied at start.
  init(in parent: String) throws(ServingError) {
    path = parent + "/\(Self.counter.add(1, ordering: .relaxed).newValue)"
    try FileSystem.makeDirectory(path)
  }

  deinit {
    // What cannot be removed now goes at the next start.
    if !moved.load(ordering: .relaxed) { try? FileSystem.removeTree(path) }
  }

  /// Gives the directory its published name in one step.
  func move(to destination: String) throws(ServingError) {
    try FileSystem.synchronize(directory: path)
    try FileSystem.move(path, to: destination)
    moved.store(true, ordering: .relaxed)
  }
}
