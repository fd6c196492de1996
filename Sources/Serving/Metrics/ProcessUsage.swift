import Compression
import Glibc

/// What this process uses of the machine.
public struct ProcessUsage: Sendable {
  /// Bytes in physical memory; 0 when the system does not tell.
  public let residentBytes: Int
  /// Seconds of processor time, user and system, all threads.
  public let cpuSeconds: Double

  public static func current() -> ProcessUsage {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let seconds = Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
    let micros = Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
    return ProcessUsage(residentBytes: ProcessMemory.residentBytes() ?? 0, cpuSeconds: seconds + micros / 1e6)
  }
}
