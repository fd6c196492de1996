import Glibc
import Testing

@testable import Tensors

struct FileBytesTests {
  @Test func writesAndMaps() throws {
    try withTemporaryDirectory { directory in
      let path = directory + "/a"
      for bytes in [[], [1, 2, 3], [UInt8](repeating: 7, count: 100_000)] as [[UInt8]] {
        try FileBytes.write(bytes, path: path)
        #expect(try contents(of: path) == bytes)
      }
      #expect(try names(in: directory) == ["a"])
    }
  }

  @Test func abandonedFileLeavesNothing() throws {
    try withTemporaryDirectory { directory in
      try FileBytes.write([1], path: directory + "/a")
      do {
        var file = try AtomicFile(path: directory + "/a")
        try [UInt8(2), 3].withUnsafeBytes { try file.append($0) }
      }
      #expect(try contents(of: directory + "/a") == [1])
      #expect(try names(in: directory) == ["a"])
    }
  }

  @Test func alignmentLeavesZeros() throws {
    try withTemporaryDirectory { directory in
      var file = try AtomicFile(path: directory + "/a")
      try [UInt8(9)].withUnsafeBytes { try file.append($0) }
      try file.align(to: 4)
      try [UInt8(8)].withUnsafeBytes { try file.append($0) }
      #expect(file.count == 5)
      try file.commit()
      #expect(try contents(of: directory + "/a") == [9, 0, 0, 0, 8])
    }
  }

  @Test func refusesWhatIsNoFile() throws {
    #expect(throws: FileError.cannotOpen(path: "/nowhere/a", code: ENOENT)) {
      try FileBytes.map(path: "/nowhere/a")
    }
    #expect(throws: FileError.notRegular(path: "/")) { try FileBytes.map(path: "/") }
    #expect(throws: FileError.cannotOpen(path: "/nowhere/a", code: ENOENT)) {
      try FileBytes.write([1], path: "/nowhere/a")
    }
  }

  /// A file takes the place of a file, never that of a pipe, a folder or what a link to a device leads to.
  @Test func replacesOnlyFiles() throws {
    try withTemporaryDirectory { directory in
      let pipe = directory + "/pipe"
      #expect(mkfifo(pipe, 0o600) == 0)
      let link = directory + "/link"
      #expect(symlink("/dev/null", link) == 0)
      for path in [pipe, link, directory] {
        #expect(throws: FileError.notReplaceable(path: path)) { try FileBytes.write([1], path: path) }
      }
      var status = stat()
      #expect(lstat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
      #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
      let left = try names(in: directory)
      #expect(left == ["link", "pipe"])
    }
  }

  @Test func sparesWhatBecameAPipeMeanwhile() throws {
    try withTemporaryDirectory { directory in
      let path = directory + "/a"
      #expect(throws: FileError.notReplaceable(path: path)) {
        let file = try AtomicFile(path: path)
        #expect(mkfifo(path, 0o600) == 0)
        try file.commit()
      }
      let left = try names(in: directory)
      #expect(left == ["a"])
    }
  }

  @Test func replacesALinkToAFileButNotTheFile() throws {
    try withTemporaryDirectory { directory in
      try FileBytes.write([1], path: directory + "/a")
      #expect(symlink("a", directory + "/b") == 0)
      try FileBytes.write([2], path: directory + "/b")
      #expect(try contents(of: directory + "/a") == [1])
      #expect(try contents(of: directory + "/b") == [2])
    }
  }

  @Test(arguments: [("a", "."), ("/a", "/"), ("b/a", "b"), ("/c/b/a", "/c/b")])
  func directory(_ path: String, _ expected: String) {
    #expect(FileBytes.directory(of: path) == expected)
  }

  private func contents(of path: String) throws -> [UInt8] {
    let file = try FileBytes.map(path: path)
    return withExtendedLifetime(file) { Array(file.bytes) }
  }

  private func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/adze-files-XXXXXX".utf8CString)
    let directory = String(cString: try #require(mkdtemp(&template)))
    defer {
      for name in (try? names(in: directory)) ?? [] { unlink(directory + "/" + name) }
      rmdir(directory)
    }
    try body(directory)
  }

  private func names(in directory: String) throws -> [String] {
    let stream = try #require(opendir(directory))
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}
