import Glibc

/// What a job's process finds in its environment: nothing of the server's but what chooses the kernels.
enum ChildEnvironment {
  static func make(home: String) -> [String] {
    var environment = ["PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=\(home)", "TMPDIR=\(home)"]
    for name in ["ADZE_ISA", "LD_LIBRARY_PATH"] {
      if let value = getenv(name) { environment.append("\(name)=\(String(cString: value))") }
    }
    return environment
  }
}
