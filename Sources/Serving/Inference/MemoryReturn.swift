import CLinux
import Dispatch
import Synchronization

/// Gives freed memory back to the system after a model went: the allocator keeps it otherwise.
enum MemoryReturn {
  private static let queue = DispatchQueue(label: "adze.memory", qos: .utility)
  private static let isScheduled = Atomic<Bool>(false)

  /// Soon and once for all models that go together; called while the last of a model is being released.
  static func schedule() {
    if isScheduled.exchange(true, ordering: .relaxed) { return }
    queue.asyncAfter(deadline: .now() + .milliseconds(100)) {
      isScheduled.store(false, ordering: .relaxed)
      adze_malloc_trim()
    }
  }
}
