/// Windows bitmaps: uncompressed, 1, 4 or 8 bits with a palette, 24 or 32 bits.
enum BMPFormat {
  static let signature: [UInt8] = [0x42, 0x4D]

  static func decode(_ file: [UInt8], limit: Int) throws(ImageFailure) -> Picture {
    let file = ImageBytes(bytes: file, isBigEndian: false)
    let headerSize = try file.long(14)
    if headerSize < 40 { throw .unsupported("BMP with a header of \(headerSize) bytes") }
    let width = try file.signedLong(18)
    let signedHeight = try file.signedLong(22)
    let height = abs(signedHeight)
    let bits = try file.word(28)
    let compression = try file.long(30)
    if compression != 0 && !(compression == 3 && bits == 32) {
      throw .unsupported("BMP with compression \(compression)")
    }
    var picture = try Picture(width: width, height: height, samples: 3, limit: limit)
    let stride = (width * bits + 31) / 32 * 4
    let pixels = try file.range(try file.long(10), stride * height)
    let palette = bits <= 8 ? try Self.palette(file, headerSize, bits) : []
    for row in 0..<height {
      let start = pixels.startIndex + (signedHeight < 0 ? row : height - 1 - row) * stride
      let line = pixels[start..<(start + stride)]
      for column in 0..<width {
        let target = (row * width + column) * 3
        switch bits {
        case 1, 4, 8:
          let entry = PackedSamples.read(line, column, bits: bits) * 4
          if entry + 2 >= palette.count { throw .damaged }
          for sample in 0..<3 {
            picture.bytes[target + sample] = palette[palette.startIndex + entry + 2 - sample]
          }
        case 24, 32:
          let source = start + column * bits / 8
          for sample in 0..<3 { picture.bytes[target + sample] = pixels[source + 2 - sample] }
        default: throw .unsupported("BMP with \(bits) bits a pixel")
        }
      }
    }
    return picture
  }

  private static func palette(
    _ file: ImageBytes, _ headerSize: Int, _ bits: Int
  ) throws(ImageFailure) -> ArraySlice<UInt8> {
    let declared = try file.long(46)
    let count = declared == 0 ? 1 << bits : declared
    if count > 256 { throw .damaged }
    return try file.range(14 + headerSize, count * 4)
  }
}
