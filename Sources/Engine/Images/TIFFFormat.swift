import Tensors

/// Baseline TIFF 6.0: strips of 8-bit grey, RGB or palette pixels, plain, PackBits or deflated.
struct TIFFFormat {
  static let signatures: [[UInt8]] = [[0x49, 0x49, 0x2A, 0], [0x4D, 0x4D, 0, 0x2A]]

  static func decode(_ bytes: [UInt8], limit: Int) throws(ImageFailure) -> Picture {
    let file = ImageBytes(bytes: bytes, isBigEndian: bytes[0] == 0x4D)
    return try TIFFFormat(file).decoded(limit: limit)
  }

  private enum Tag: Int {
    case width = 256, height, bits, compression, photometric = 262, strips = 273, samples = 277
    case rowsPerStrip, stripBytes, planes = 284, predictor = 317, colours = 320, tiles = 322
  }

  private let file: ImageBytes
  private var entries: [Int: [Int]] = [:]

  private init(_ file: ImageBytes) throws(ImageFailure) {
    self.file = file
    let directory = try file.long(4)
    for entry in 0..<(try file.word(directory)) {
      let place = directory + 2 + entry * 12
      let tag = try file.word(place)
      guard Tag(rawValue: tag) != nil else { continue }
      entries[tag] = try values(at: place)
    }
  }

  private func values(at place: Int) throws(ImageFailure) -> [Int] {
    let type = try file.word(place + 2)
    let count = try file.long(place + 4)
    let width = type == 3 ? 2 : type == 4 ? 4 : 1
    if !(type == 1 || type == 3 || type == 4) || count > file.count / width { throw .damaged }
    let start = count * width <= 4 ? place + 8 : try file.long(place + 8)
    var values: [Int] = []
    for index in 0..<count {
      let offset = start + index * width
      values.append(
        width == 2 ? try file.word(offset) : width == 4 ? try file.long(offset) : Int(try file.byte(offset)))
    }
    return values
  }

  private func value(_ tag: Tag, default fallback: Int? = nil) throws(ImageFailure) -> Int {
    guard let value = entries[tag.rawValue]?.first ?? fallback else { throw .damaged }
    return value
  }

  private func decoded(limit: Int) throws(ImageFailure) -> Picture {
    let (width, height) = (try value(.width), try value(.height))
    let samples = try value(.samples, default: 1)
    let kind = try value(.photometric)
    if entries[Tag.tiles.rawValue] != nil { throw .unsupported("TIFF in tiles") }
    if entries[Tag.bits.rawValue]?.allSatisfy({ $0 == 8 }) != true {
      throw .unsupported("TIFF of other than 8 bits")
    }
    if try value(.planes, default: 1) != 1 { throw .unsupported("TIFF in planes") }
    guard (0...3).contains(kind), samples >= (kind == 2 ? 3 : 1), samples <= 16 else {
      throw .unsupported("TIFF of photometric interpretation \(kind)")
    }
    try Picture.check(width: width, height: height, bytesPerPixel: samples, limit: limit)
    var picture = try Picture(width: width, height: height, samples: kind < 2 ? 1 : 3, limit: limit)
    let strips = entries[Tag.strips.rawValue] ?? []
    let sizes = entries[Tag.stripBytes.rawValue] ?? []
    let rowsPerStrip = min(height, try value(.rowsPerStrip, default: height))
    if rowsPerStrip < 1 || strips.count != sizes.count || strips.count < (height - 1) / rowsPerStrip + 1 {
      throw .damaged
    }
    let palette = entries[Tag.colours.rawValue] ?? []
    for first in stride(from: 0, to: height, by: rowsPerStrip) {
      let rows = min(rowsPerStrip, height - first)
      let strip = first / rowsPerStrip
      var line = try unpacked(
        try file.range(strips[strip], sizes[strip]), count: rows * width * samples)
      try undoPredictor(&line, width: width, samples: samples)
      for pixel in 0..<(rows * width) {
        try put(line, pixel * samples, kind, palette, &picture, (first * width + pixel) * picture.samples)
      }
    }
    return picture
  }

  private func put(
    _ line: [UInt8], _ source: Int, _ kind: Int, _ palette: [Int], _ picture: inout Picture, _ target: Int
  ) throws(ImageFailure) {
    switch kind {
    case 0: picture.bytes[target] = 255 - line[source]
    case 1: picture.bytes[target] = line[source]
    case 2: for sample in 0..<3 { picture.bytes[target + sample] = line[source + sample] }
    default:
      if palette.count != 768 { throw .damaged }
      for sample in 0..<3 {
        picture.bytes[target + sample] = UInt8(
          truncatingIfNeeded: palette[sample * 256 + Int(line[source])] >> 8)
      }
    }
  }

  private func unpacked(_ strip: ArraySlice<UInt8>, count: Int) throws(ImageFailure) -> [UInt8] {
    switch try value(.compression, default: 1) {
    case 1:
      if strip.count < count { throw .damaged }
      return Array(strip.prefix(count))
    case 8, 32946:
      guard let bytes = strip.dropFirst(2).withUnsafeBytes({ try? Zlib.inflateRaw($0, size: count) }) else {
        throw .damaged
      }
      return bytes
    case 32773: return try Self.packBits(strip, count: count)
    case let other: throw .unsupported("TIFF with compression \(other)")
    }
  }

  /// Runs: a length, then one byte to repeat or that many bytes as they are.
  private static func packBits(_ strip: ArraySlice<UInt8>, count: Int) throws(ImageFailure) -> [UInt8] {
    var result: [UInt8] = []
    var position = strip.startIndex
    while result.count < count && position < strip.endIndex {
      let head = Int(Int8(bitPattern: strip[position]))
      position += 1
      if head == -128 { continue }
      if head < 0 {
        if position >= strip.endIndex { throw .damaged }
        result += repeatElement(strip[position], count: 1 - head)
        position += 1
      } else {
        if strip.endIndex - position < head + 1 { throw .damaged }
        result += strip[position..<(position + head + 1)]
        position += head + 1
      }
    }
    if result.count < count { throw .damaged }
    return Array(result.prefix(count))
  }

  private func undoPredictor(_ bytes: inout [UInt8], width: Int, samples: Int) throws(ImageFailure) {
    let predictor = try value(.predictor, default: 1)
    if predictor == 1 { return }
    if predictor != 2 { throw .unsupported("TIFF with predictor \(predictor)") }
    let stride = width * samples
    for index in bytes.indices where index % stride >= samples { bytes[index] &+= bytes[index - samples] }
  }
}
