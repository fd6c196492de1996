/// Writes a zip archive of stored members, with zip64 records where sizes need them. The bytes depend on
/// nothing but the members: times are the format's zero, 1 January 1980.
struct ZipWriter {
  private(set) var bytes: [UInt8] = []
  private var directory: [UInt8] = []
  private var members = 0

  private static let zeroDate: UInt16 = 1 << 5 | 1

  mutating func add(name: String, contents: [UInt8]) {
    let crc = contents.withUnsafeBytes { Zlib.crc($0) }
    let offset = UInt64(bytes.count)
    let size = UInt64(contents.count)
    let nameBytes = Array(name.utf8)

    let localWide = size >= UInt64(UInt32.max) ? [size, size] : []
    bytes.append(uint32: 0x0403_4B50)
    appendCommonFields(to: &bytes, crc, size, isWide: !localWide.isEmpty, nameBytes, extra: localWide)
    bytes += nameBytes
    bytes.append(wide: localWide)
    bytes += contents

    let offsetWide = offset >= UInt64(UInt32.max) ? [offset] : []
    directory.append(uint32: 0x0201_4B50)
    directory.append(uint16: 45)
    appendCommonFields(
      to: &directory, crc, size, isWide: !localWide.isEmpty, nameBytes, extra: localWide + offsetWide)
    directory.append(uint16: 0)  // comment
    directory.append(uint16: 0)  // disk
    directory.append(uint16: 0)  // internal attributes
    directory.append(uint32: 0)  // external attributes
    directory.append(uint32: offsetWide.isEmpty ? UInt32(offset) : .max)
    directory += nameBytes
    directory.append(wide: localWide + offsetWide)
    members += 1
  }

  /// Ends the archive with its central directory.
  consuming func finish() -> [UInt8] {
    let offset = UInt64(bytes.count)
    let size = UInt64(directory.count)
    bytes += directory
    if members >= Int(UInt16.max) || offset + size >= UInt64(UInt32.max) {
      let record = UInt64(bytes.count)
      bytes.append(uint32: 0x0606_4B50)
      bytes.append(uint64: 44)
      bytes.append(uint16: 45)
      bytes.append(uint16: 45)
      bytes.append(uint32: 0)
      bytes.append(uint32: 0)
      for value in [UInt64(members), UInt64(members), size, offset] { bytes.append(uint64: value) }
      bytes.append(uint32: 0x0706_4B50)
      bytes.append(uint32: 0)
      bytes.append(uint64: record)
      bytes.append(uint32: 1)
    }
    bytes.append(uint32: 0x0605_4B50)
    bytes.append(uint32: 0)  // disk numbers
    bytes.append(uint16: UInt16(clamping: members))
    bytes.append(uint16: UInt16(clamping: members))
    bytes.append(uint32: UInt32(clamping: size))
    bytes.append(uint32: UInt32(clamping: offset))
    bytes.append(uint16: 0)
    return bytes
  }

  /// The fields that local headers and directory entries share, from the version needed to the extra length.
  private func appendCommonFields(
    to bytes: inout [UInt8], _ crc: UInt32, _ size: UInt64, isWide: Bool, _ name: [UInt8], extra: [UInt64]
  ) {
    bytes.append(uint16: extra.isEmpty ? 20 : 45)
    bytes.append(uint16: 1 << 11)  // names are UTF-8
    bytes.append(uint16: 0)  // stored
    bytes.append(uint16: 0)  // time
    bytes.append(uint16: Self.zeroDate)
    bytes.append(uint32: crc)
    bytes.append(uint32: isWide ? .max : UInt32(size))
    bytes.append(uint32: isWide ? .max : UInt32(size))
    bytes.append(uint16: UInt16(name.count))
    bytes.append(uint16: extra.isEmpty ? 0 : UInt16(4 + 8 * extra.count))
  }
}

extension [UInt8] {
  fileprivate mutating func append(uint16 value: UInt16) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
  fileprivate mutating func append(uint32 value: UInt32) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
  fileprivate mutating func append(uint64 value: UInt64) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
  /// A zip64 extra field of `values`; nothing when there are none.
  fileprivate mutating func append(wide values: [UInt64]) {
    if values.isEmpty { return }
    append(uint16: 1)
    append(uint16: UInt16(8 * values.count))
    for value in values { append(uint64: value) }
  }
}
