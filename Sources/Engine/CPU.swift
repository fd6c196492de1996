import CKernels
import Glibc

/// What this process may use of the machine.
public enum CPU {
  /// The instruction set that the kernels were chosen for: `portable`, `avx2`, `avx512` …
  public static var isa: String { String(cString: adze_kernels_get().pointee.name) }

  /// What is wrong with the instruction set that the environment asks for with `ADZE_ISA`; nil when it asks for
  /// none, or for one that this processor has.
  public static var isaRequestProblem: String? {
    guard let request = getenv("ADZE_ISA").map({ String(cString: $0) }) else { return nil }
    let all = (0..<UInt32(ADZE_ISA_COUNT)).map { adze_isa($0) }
    let present = all.filter { adze_kernels_for($0) != nil }.map { String(cString: adze_isa_name($0)) }
    if present.contains(request) { return nil }
    let isKnown = all.contains { String(cString: adze_isa_name($0)) == request }
    return "ADZE_ISA=\(request) \(isKnown ? "is not what this processor has" : "is not known"); "
      + "possible here: \(present.joined(separator: ", "))"
  }

  /// Threads that can run at the same time: the affinity mask, cut down to the cgroup's CPU quota. At least 1.
  public static let threadsAvailable: Int = {
    let allowed = affinityCount()
    guard let quota = cgroupQuota() else { return allowed }
    return max(1, min(allowed, quota))
  }()

  private static func affinityCount() -> Int {
    if let status = readSmallFile("/proc/self/status"), let count = parseAffinity(status: status) {
      return count
    }
    return max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  }

  /// The number of bits set in the mask of `Cpus_allowed:	ff,ffffffff`.
  static func parseAffinity(status: String) -> Int? {
    let label = "Cpus_allowed:"
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(label) }) else { return nil }
    let count = line.dropFirst(label.count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
    return count > 0 ? count : nil
  }

  /// The quota in whole CPUs, rounded up; nil when there is none.
  private static func cgroupQuota() -> Int? {
    if let text = readSmallFile("/sys/fs/cgroup/cpu.max") { return parseQuota(version2: text) }
    guard let quota = readSmallFile("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
      let period = readSmallFile("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    else { return nil }
    return parseQuota(version2: quota + " " + period)
  }

  /// `"150000 100000"` is one and a half CPUs, so 2; `"max 100000"` and `"-1 100000"` are no quota.
  static func parseQuota(version2 text: String) -> Int? {
    let fields = text.split { $0 == " " || $0 == "\n" }
    guard fields.count == 2, let quota = Int(fields[0]), let period = Int(fields[1]), quota > 0, period > 0
    else { return nil }
    return (quota - 1) / period + 1
  }

  private static func readSmallFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 16384)
    let count = read(descriptor, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
