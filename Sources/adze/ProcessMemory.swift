import Glibc

enum ProcessMemory {
  /// The most physical memory that this process has had at once.
  static var peakResidentBytes: Int {
    var usage = rusage()
    return getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? usage.ru_maxrss * 1024 : 0
  }

  /// Caps the address space and processor time of this process, so that a hostile model ends this process only.
  static func limit(bytes: Int?, seconds: Int?) throws(CommandFailure) {
    if let bytes { try set(RLIMIT_AS, rlim_t(bytes), "--memory-limit") }
    if let seconds { try set(RLIMIT_CPU, rlim_t(seconds), "--time-limit") }
  }

  private static func set(
    _ resource: __rlimit_resource, _ value: rlim_t, _ option: String
  ) throws(CommandFailure) {
    var limit = rlimit(rlim_cur: value, rlim_max: value)
    if setrlimit(__rlimit_resource_t(resource.rawValue), &limit) != 0 {
      throw CommandFailure("\(option) \(value) is refused by the system: \(String(cString: strerror(errno)))")
    }
  }
}
