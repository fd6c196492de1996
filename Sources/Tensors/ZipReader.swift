/// Reads the members of a zip archive (APPNOTE 6.3.10) through its central directory: stored and deflated,
/// zip64, no encryption, one disk.
struct ZipReader {
  struct Member {
    var name: String
    var isDeflated: Bool
    var crc: UInt32
    var storedSize: Int
    var size: Int
    var headerOffset: Int
  }

  private let bytes: UnsafeRawBufferPointer
  let members: [Member]

  private static let endSignature: UInt32 = 0x0605_4B50
  private static let zip64EndSignature: UInt32 = 0x0606_4B50
  private static let zip64LocatorSignature: UInt32 = 0x0706_4B50
  private static let centralSignature: UInt32 = 0x0201_4B50
  private static let localSignature: UInt32 = 0x0403_4B50

  /// - Parameter bytes: stay valid as long as the reader is used.
  init(_ bytes: UnsafeRawBufferPointer) throws(TensorError) {
    self.bytes = bytes
    let fields = LittleEndianFields(bytes)
    let directory = try Self.locateDirectory(fields)
    members = try Self.readDirectory(fields, directory)
  }

  /// The uncompressed bytes of `member`, its size and checksum verified.
  /// - Throws: `TensorError.malformedFile`; whatever `body` throws.
  func withContents<R>(
    of member: Member, _ body: (UnsafeRawBufferPointer) throws(TensorError) -> R
  ) throws(TensorError) -> R {
    let stored = try storedBytes(of: member)
    if !member.isDeflated {
      try check(stored, member)
      return try body(stored)
    }
    let inflated = try Zlib.inflateRaw(stored, size: member.size)
    return try inflated.withUnsafeBufferPointer { bytes throws(TensorError) -> R in
      let contents = UnsafeRawBufferPointer(bytes)
      try check(contents, member)
      return try body(contents)
    }
  }

  private func check(_ contents: UnsafeRawBufferPointer, _ member: Member) throws(TensorError) {
    if contents.count != member.size || Zlib.crc(contents) != member.crc {
      throw .malformedFile("zip member '\(member.name)': checksum or size does not match")
    }
  }

  private func storedBytes(of member: Member) throws(TensorError) -> UnsafeRawBufferPointer {
    let fields = LittleEndianFields(bytes)
    let cutOff = TensorError.malformedFile("zip member '\(member.name)' is cut off")
    guard fields.uint32(member.headerOffset) == Self.localSignature,
      let nameLength = fields.uint16(member.headerOffset + 26),
      let extraLength = fields.uint16(member.headerOffset + 28)
    else { throw cutOff }
    let start = member.headerOffset + 30 + Int(nameLength) + Int(extraLength)
    guard start <= bytes.count, member.storedSize <= bytes.count - start else { throw cutOff }
    return UnsafeRawBufferPointer(rebasing: bytes[start..<start + member.storedSize])
  }

  private struct Directory {
    var offset: Int
    var entries: Int
  }

  private static func locateDirectory(_ fields: LittleEndianFields) throws(TensorError) -> Directory {
    let missing = TensorError.malformedFile("not a zip archive: it has no end of central directory")
    // The end record is 22 bytes and a comment of up to 65,535.
    var end = fields.count - 22
    let lowest = max(0, fields.count - 22 - 65_535)
    while end >= lowest {
      if fields.uint32(end) == endSignature, let comment = fields.uint16(end + 20),
        end + 22 + Int(comment) == fields.count
      {
        break
      }
      end -= 1
    }
    guard end >= lowest, end >= 0, let entries = fields.uint16(end + 10), let offset = fields.uint32(end + 16)
    else { throw missing }
    if entries != UInt16.max && offset != UInt32.max {
      return Directory(offset: Int(offset), entries: Int(entries))
    }
    guard fields.uint32(end - 20) == zip64LocatorSignature, let record = fields.size(end - 12),
      fields.uint32(record) == zip64EndSignature, let entries = fields.size(record + 32),
      let offset = fields.size(record + 48)
    else { throw .malformedFile("zip64 end of central directory is damaged") }
    return Directory(offset: offset, entries: entries)
  }

  private static func readDirectory(
    _ fields: LittleEndianFields, _ directory: Directory
  ) throws(TensorError) -> [Member] {
    // Every entry takes 46 bytes at least, which bounds the loop by the bytes present.
    if directory.offset > fields.count || directory.entries > (fields.count - directory.offset) / 46 {
      throw .malformedFile("zip directory claims \(directory.entries) entries, more than it has room for")
    }
    var members: [Member] = []
    var names: Set<String> = []
    var position = directory.offset
    for _ in 0..<directory.entries {
      let (member, next) = try readEntry(fields, position)
      if !names.insert(member.name).inserted {
        throw .malformedFile("zip archive has two members named '\(member.name)'")
      }
      members.append(member)
      position = next
    }
    return members
  }

  private static func readEntry(
    _ fields: LittleEndianFields, _ start: Int
  ) throws(TensorError) -> (Member, next: Int) {
    let damaged = TensorError.malformedFile("zip directory entry at byte \(start) is damaged")
    guard fields.uint32(start) == centralSignature, let flags = fields.uint16(start + 8),
      let method = fields.uint16(start + 10), let crc = fields.uint32(start + 16),
      let storedSize = fields.uint32(start + 20), let size = fields.uint32(start + 24),
      let nameLength = fields.uint16(start + 28), let extraLength = fields.uint16(start + 30),
      let commentLength = fields.uint16(start + 32), let offset = fields.uint32(start + 42),
      let nameBytes = fields.slice(start + 46, count: Int(nameLength)),
      let name = String(validating: nameBytes, as: UTF8.self)
    else { throw damaged }
    let extraStart = start + 46 + Int(nameLength)
    let next = extraStart + Int(extraLength) + Int(commentLength)
    if next > fields.count { throw damaged }
    if flags & 1 != 0 { throw .malformedFile("zip member '\(name)' is encrypted") }
    guard method == 0 || method == 8 else {
      throw .malformedFile("zip member '\(name)' uses compression method \(method); only 0 and 8 are read")
    }
    var wide = Zip64Extra(fields, extraStart, count: Int(extraLength))
    guard let realSize = wide.value(for: size), let realStoredSize = wide.value(for: storedSize),
      let realOffset = wide.value(for: offset)
    else { throw damaged }
    let member = Member(
      name: name, isDeflated: method == 8, crc: crc, storedSize: realStoredSize, size: realSize,
      headerOffset: realOffset)
    return (member, next)
  }
}

/// The 64-bit values that stand in for 32-bit fields of all ones, in the order of those fields.
private struct Zip64Extra {
  private let fields: LittleEndianFields
  private var position: Int
  private var end: Int

  init(_ fields: LittleEndianFields, _ start: Int, count: Int) {
    self.fields = fields
    (position, end) = (start, start)
    var block = start
    while block + 4 <= start + count, let tag = fields.uint16(block), let size = fields.uint16(block + 2) {
      if tag == 1 {
        position = block + 4
        end = min(position + Int(size), start + count)
        return
      }
      block += 4 + Int(size)
    }
  }

  mutating func value(for field: UInt32) -> Int? {
    if field != UInt32.max { return Int(field) }
    guard position + 8 <= end, let value = fields.size(position) else { return nil }
    position += 8
    return value
  }
}

/// Little-endian integers at byte offsets; nil outside the bytes.
struct LittleEndianFields {
  private let bytes: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var count: Int { bytes.count }

  func uint16(_ offset: Int) -> UInt16? { load(offset) }
  func uint32(_ offset: Int) -> UInt32? { load(offset) }

  /// A 64-bit size or offset; nil also when it is larger than any file can be.
  func size(_ offset: Int) -> Int? {
    guard let value: UInt64 = load(offset) else { return nil }
    // Half of the range, so that adding header sizes never overflows.
    return value <= UInt64(Int.max / 2) ? Int(value) : nil
  }

  func slice(_ offset: Int, count: Int) -> Slice<UnsafeRawBufferPointer>? {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else { return nil }
    return bytes[offset..<offset + count]
  }

  private func load<Integer: FixedWidthInteger & BitwiseCopyable>(_ offset: Int) -> Integer? {
    let width = MemoryLayout<Integer>.size
    guard offset >= 0, offset <= bytes.count - width else { return nil }
    return Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self))
  }
}
