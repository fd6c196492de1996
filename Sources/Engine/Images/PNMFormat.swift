/// The portable formats PBM, PGM and PPM, as text (P1 to P3) and binary (P4 to P6).
struct PNMFormat {
  static func matches(_ file: [UInt8]) -> Bool {
    file.count > 2 && file[0] == 0x50 && (0x31...0x36).contains(file[1]) && isSpace(file[2])
  }

  static func decode(_ file: [UInt8], limit: Int) throws(ImageFailure) -> Picture {
    var reader = PNMFormat(file: file)
    return try reader.read(limit: limit)
  }

  private let file: [UInt8]
  private var position = 2

  private init(file: [UInt8]) { self.file = file }

  private mutating func read(limit: Int) throws(ImageFailure) -> Picture {
    let kind = Int(file[1] - 0x30)
    let isBitmap = kind == 1 || kind == 4
    let samples = kind == 3 || kind == 6 ? 3 : 1
    let width = try number()
    let height = try number()
    let largest = isBitmap ? 1 : try number()
    if largest < 1 || largest > 65535 { throw .damaged }
    // A sample takes a bit at least, so that a short file does not make a large image.
    var picture = try Picture(width: width, height: height, samples: samples, limit: limit)
    if picture.bytes.count / 8 > file.count { throw .damaged }
    if kind <= 3 {
      for index in picture.bytes.indices {
        let value = try isBitmap ? digit() : number()
        picture.bytes[index] = try Self.scaled(isBitmap ? 1 - value : value, largest)
      }
      return picture
    }
    position += 1
    if isBitmap {
      try readBits(&picture)
    } else {
      try readBytes(&picture, largest)
    }
    return picture
  }

  /// Rows of bits, 1 is black, each filled up to a byte.
  private mutating func readBits(_ picture: inout Picture) throws(ImageFailure) {
    let stride = (picture.width + 7) / 8
    let pixels = try ImageBytes(bytes: file).range(position, stride * picture.height)
    for row in 0..<picture.height {
      let line = pixels[(position + row * stride)..<(position + (row + 1) * stride)]
      for column in 0..<picture.width {
        let isBlack = PackedSamples.read(line, column, bits: 1) == 1
        picture.bytes[row * picture.width + column] = isBlack ? 0 : 255
      }
    }
  }

  private mutating func readBytes(_ picture: inout Picture, _ largest: Int) throws(ImageFailure) {
    let width = largest > 255 ? 2 : 1
    let pixels = try ImageBytes(bytes: file).range(position, picture.bytes.count * width)
    for index in picture.bytes.indices {
      var value = Int(pixels[position + index * width])
      if width == 2 { value = value << 8 | Int(pixels[position + index * 2 + 1]) }
      picture.bytes[index] = try Self.scaled(value, largest)
    }
  }

  private static func scaled(_ value: Int, _ largest: Int) throws(ImageFailure) -> UInt8 {
    if value < 0 || value > largest { throw .damaged }
    return largest == 255 ? UInt8(value) : UInt8((value * 255 + largest / 2) / largest)
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  /// Skips space, and comments up to their line's end.
  private mutating func skipSpace() {
    var isComment = false
    while position < file.count {
      let byte = file[position]
      if byte == 0x23 { isComment = true }
      if isComment {
        if byte == 0x0A || byte == 0x0D { isComment = false }
      } else if !Self.isSpace(byte) {
        return
      }
      position += 1
    }
  }

  private mutating func number() throws(ImageFailure) -> Int {
    skipSpace()
    var value = 0
    let start = position
    while position < file.count, (0x30...0x39).contains(file[position]) {
      value = value * 10 + Int(file[position] - 0x30)
      if value > Int(Int32.max) { throw .damaged }
      position += 1
    }
    if position == start { throw .damaged }
    return value
  }

  /// A bit of a text bitmap: those need no space between them.
  private mutating func digit() throws(ImageFailure) -> Int {
    skipSpace()
    guard position < file.count, file[position] == 0x30 || file[position] == 0x31 else { throw .damaged }
    position += 1
    return Int(file[position - 1] - 0x30)
  }
}
