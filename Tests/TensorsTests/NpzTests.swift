import Glibc
import Testing

@testable import Tensors

private let fixtures = String(#filePath.dropLast("NpzTests.swift".count)) + "Fixtures/"

private func fixture(_ name: String) throws -> [UInt8] {
  let file = try FileBytes.map(path: fixtures + name)
  return withExtendedLifetime(file) { Array(file.bytes) }
}

private func decode(_ bytes: [UInt8]) throws -> Tensor {
  try bytes.withUnsafeBytes { try Npy.decode($0) }
}

private func archive(_ bytes: [UInt8], maximumBytes: Int = 1 << 20) throws -> [String: Tensor] {
  let arrays = try bytes.withUnsafeBytes { try Npz.read(bytes: $0, maximumBytes: maximumBytes) }
  return Dictionary(uniqueKeysWithValues: arrays.map { ($0.name, $0.tensor) })
}

@Suite struct NpzTests {
  @Test(arguments: ["stored", "deflated"]) func readsWhatNumpyWrites(name: String) throws {
    let arrays = Dictionary(
      uniqueKeysWithValues: try Npz.read(path: fixtures + name + ".npz").map { ($0.name, $0.tensor) })
    #expect(arrays["float32"] == (try Tensor(shape: [2, 3], [0, 0.5, 1, 1.5, 2, 2.5] as [Float])))
    #expect(arrays["big_endian"] == (try Tensor(shape: [2, 3], [0, 1, 2, 3, 4, 5] as [Int32])))
    #expect(arrays["fortran"] == (try Tensor(shape: [2, 3, 4], (0..<24).map(Int16.init))))
    #expect(arrays["bool"] == (try Tensor(shape: [3], [true, false, true])))
    #expect(arrays["text"] == (try Tensor(shape: [2, 2], strings: ["ab", "héllo", "", "日本"])))
    #expect(arrays["bytes"] == (try Tensor(shape: [2], strings: ["x", "long"])))
    #expect(arrays["scalar"] == (try Tensor(scalar: 2.5)))
    #expect(arrays["empty"] == (try Tensor(shape: [0, 3], [] as [UInt8])))
    #expect(arrays["half"] == (try Tensor(shape: [2], [1.5, -2] as [Float16])))
    #expect(arrays["int64"] == (try Tensor(shape: [2], [-1, 1 << 40] as [Int64])))
    let complex = try #require(arrays["complex"])
    #expect(complex.type == .complex64)
    #expect(complex.withBytes { Array($0.bindMemory(to: Float.self)) } == [1, 2])
    if name == "deflated" { #expect(arrays["zeros"]?.elementCount == 10_000) }
  }

  @Test(arguments: ["version2", "version3"]) func readsLaterHeaders(name: String) throws {
    let bytes = try fixture(name + ".npy")
    #expect(try decode(bytes) == (try Tensor(shape: [3], [0, 1, 2] as [Float])))
  }

  @Test func objectsAndStructuresAreRefused() throws {
    for (name, word) in [("object", "pickles"), ("structured", "structured")] {
      let bytes = try fixture(name + ".npy")
      let error = #expect(throws: TensorError.self) { try decode(bytes) }
      #expect("\(try #require(error))".contains(word))
    }
  }

  @Test func everyNumpyTypeSurvivesARoundTrip() throws {
    var arrays: [(name: String, tensor: Tensor)] = []
    for type in ElementType.allCases where NpyElementFormat.descriptor(of: type) != nil {
      for shape in [Shape.scalar, [0], [5], [2, 0, 3], [2, 3]] {
        var tensor = try Tensor(type: type, shape: shape)
        tensor.withMutableBytes { bytes in for index in bytes.indices { bytes[index] = UInt8(index % 2) } }
        arrays.append((name: "\(type.name)\(shape)", tensor: tensor))
      }
    }
    arrays.append((name: "text", tensor: try Tensor(shape: [3], strings: ["", "é", "a longer one"])))
    let bytes = try Npz.encode(arrays)
    #expect(try Npz.encode(arrays) == bytes)
    let read = try archive(bytes)
    #expect(read.count == arrays.count)
    for (name, tensor) in arrays { #expect(read[name] == tensor, "\(name)") }
  }

  @Test func typesThatNumpyLacksAreRefused() throws {
    let tensor = try Tensor(type: .bfloat16, shape: [2])
    #expect(throws: TensorError.malformedFile("numpy has no bfloat16 elements")) { try Npy.encode(tensor) }
  }

  @Test func duplicateNamesAreRefused() throws {
    let tensor = try Tensor(scalar: 1 as Float)
    #expect(throws: TensorError.self) { try Npz.encode([("a", tensor), ("a", tensor)]) }
  }

  @Test func writesReplaceWholeFiles() throws {
    let path = "/tmp/adze-npz-test-\(getpid()).npz"
    defer { unlink(path) }
    try Npz.write([("a", try Tensor(shape: [2], [1, 2] as [Int32]))], path: path)
    try Npz.write([("b", try Tensor(shape: [1], [3] as [Int32]))], path: path)
    #expect(try Npz.read(path: path).map(\.name) == ["b"])
  }

  @Test func everyCutIsAnError() throws {
    for name in ["stored", "deflated"] {
      let bytes = try fixture(name + ".npz")
      for count in 0..<bytes.count {
        #expect(throws: TensorError.self) { try archive(Array(bytes[..<count])) }
      }
    }
  }

  /// A flipped bit is an error or, in a field that does not matter such as a time, gives the same arrays.
  @Test func everyFlippedBitIsNoticedOrHarmless() throws {
    let bytes = try fixture("deflated.npz")
    let arrays = try archive(bytes)
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 1 << UInt8(index % 8)
      guard let read = try? archive(damaged) else { continue }
      for tensor in read.values { #expect(arrays.values.contains(tensor), "byte \(index)") }
    }
  }

  @Test func theLimitCountsInflatedBytes() throws {
    let bytes = try fixture("deflated.npz")
    #expect(bytes.count < 20_000)
    #expect(throws: TensorError.malformedFile("npz arrays take more than 20000 bytes")) {
      try archive(bytes, maximumBytes: 20_000)
    }
  }

  @Test func sizesThatNoStreamCanHaveAreRefusedBeforeAllocating() throws {
    let stream: [UInt8] = [3, 0]  // an empty deflate stream
    #expect(throws: TensorError.self) {
      try stream.withUnsafeBytes { try Zlib.inflateRaw($0, size: 1 << 40) }
    }
    #expect(try stream.withUnsafeBytes { try Zlib.inflateRaw($0, size: 0) } == [])
  }

  @Test(arguments: [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } ",
    "{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"<f4\"}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }\n",
  ]) func headersMayBeSpelledDifferently(text: String) throws {
    var parser = NpyHeaderParser(text: Array(text.utf8))
    #expect(try parser.parse().shape == [2])
  }

  @Test(arguments: [
    "", "{}", "{'descr': '<f4', 'fortran_order': False}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
    "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
    "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': '1'}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} + exit()",
    "{'descr': '<f\\x34', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f4, 'fortran_order': False, 'shape': (2,)}",
  ]) func headersThatNumpyDoesNotWriteAreRefused(text: String) {
    var parser = NpyHeaderParser(text: Array(text.utf8))
    #expect(throws: TensorError.self) { try parser.parse() }
  }

  @Test(arguments: ["<f3", "f4", "<V2", "<M8", "<U-1", "<U4611686018427387904", "|O", "<", "", "<f44"])
  func dtypesThatAreNotReadAreNamed(descriptor: String) {
    let error = #expect(throws: TensorError.self) { try NpyElementFormat(descriptor: descriptor) }
    #expect(error.map { "\($0)".contains("'\(descriptor)'") } == true)
  }

  @Test func zeroByteStringsCannotClaimManyElements() {
    let header = NpyHeader.encoded(descriptor: "<U0", shape: [1 << 40])
    #expect(throws: TensorError.malformedFile("npy elements of zero bytes")) { try decode(header) }
  }

  @Test func gzipSizeIsThatOfZlib() throws {
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    let size = try #require(zeros.withUnsafeBytes { Zlib.gzipByteCount($0) })
    #expect((1000..<1100).contains(size))
    #expect([UInt8]().withUnsafeBytes { Zlib.gzipByteCount($0) } == 20)
  }
}
