import Glibc

/// What this process takes of the machine's memory.
package enum ProcessMemory {
  /// Bytes in physical memory; nil where the system does not say.
  package static func residentBytes() -> Int? {
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
