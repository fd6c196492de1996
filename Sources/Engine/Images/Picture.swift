/// Why an image cannot be decoded.
enum ImageFailure: Error, Equatable {
  /// A format, or a kind of one, that nothing here reads.
  case unsupported(String)
  /// The file is damaged or contradicts itself.
  case damaged
  case tooLarge(bytes: Int)
}

/// A decoded image: one (grey) or three (red, green, blue) samples of 8 bits for each pixel, row by row.
struct Picture {
  let width: Int
  let height: Int
  let samples: Int
  var bytes: [UInt8]

  /// A black image.
  init(width: Int, height: Int, samples: Int, limit: Int) throws(ImageFailure) {
    try Self.check(width: width, height: height, bytesPerPixel: samples, limit: limit)
    self.width = width
    self.height = height
    self.samples = samples
    bytes = [UInt8](repeating: 0, count: width * height * samples)
  }

  /// - Throws: when an image of this size is empty or takes more than `limit` bytes.
  static func check(width: Int, height: Int, bytesPerPixel: Int, limit: Int) throws(ImageFailure) {
    if width <= 0 || height <= 0 { throw .damaged }
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    let (bytes, tooMany) = pixels.multipliedReportingOverflow(by: bytesPerPixel)
    if overflow || tooMany || bytes > limit { throw .tooLarge(bytes: overflow || tooMany ? Int.max : bytes) }
  }

  /// The brightness of a pixel as ITU-R 601 weighs its colours, in 16-bit fixed point.
  static func grey(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    let (r, g, b): (Int, Int, Int) = (Int(red) * 19595, Int(green) * 38470, Int(blue) * 7471)
    return UInt8((r + g + b + 0x8000) >> 16)
  }
}

/// Reads numbers out of a file; whatever lies beyond its end is an error.
struct ImageBytes {
  let bytes: [UInt8]
  var isBigEndian = true

  var count: Int { bytes.count }

  func starts(with prefix: [UInt8], at offset: Int = 0) -> Bool {
    bytes.count >= offset + prefix.count && bytes[offset..<(offset + prefix.count)].elementsEqual(prefix)
  }

  func byte(_ offset: Int) throws(ImageFailure) -> UInt8 {
    guard offset >= 0 && offset < bytes.count else { throw .damaged }
    return bytes[offset]
  }

  func word(_ offset: Int) throws(ImageFailure) -> Int {
    let (a, b) = (Int(try byte(offset)), Int(try byte(offset + 1)))
    return isBigEndian ? a << 8 | b : b << 8 | a
  }

  func long(_ offset: Int) throws(ImageFailure) -> Int {
    let (a, b) = (try word(offset), try word(offset + 2))
    return isBigEndian ? a << 16 | b : b << 16 | a
  }

  func signedLong(_ offset: Int) throws(ImageFailure) -> Int {
    Int(Int32(truncatingIfNeeded: try long(offset)))
  }

  func range(_ start: Int, _ length: Int) throws(ImageFailure) -> ArraySlice<UInt8> {
    guard start >= 0, length >= 0, start <= bytes.count, length <= bytes.count - start else { throw .damaged }
    return bytes[start..<(start + length)]
  }
}

/// Samples of fewer bits than a byte, highest first.
enum PackedSamples {
  static func read(_ row: ArraySlice<UInt8>, _ index: Int, bits: Int) -> Int {
    let perByte = 8 / bits
    let byte = Int(row[row.startIndex + index / perByte])
    return byte >> (8 - bits - index % perByte * bits) & (1 << bits - 1)
  }
}
