import CKernels
import Glibc

/// Makes denormal numbers count as zero on the current thread until `restore`: they cost a hundred times as
/// much as others and carry no information that a float model uses.
struct DenormalFlush {
  private let previous: Bool

  init() { previous = adze_set_flush_denormals(true) }

  func restore() { _ = adze_set_flush_denormals(previous) }
}

enum MonotonicClock {
  static var nanoseconds: Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }
}
