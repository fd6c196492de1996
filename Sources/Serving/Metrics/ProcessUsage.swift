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
    return ProcessUsage(residentBytes: resident() ?? 0, cpuSeconds: seconds + micros / 1e6)
  }

  private static func resident() -> Int? {
    let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 256)
    let got = read(descriptor, &buffer, buffer.count)
    if got <= 0 { return nil }
    let fields = String(decoding: buffer[..<got], as: UTF8.self).split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
    return pages * sysconf(Int32(_SC_PAGESIZE))
  }
}
