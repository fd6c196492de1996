import Tensors

/// PNG (ISO/IEC 15948): all colour types and depths, interlaced or not. Transparency is left out; of 16 bits the
/// upper 8 stay.
struct PNGFormat {
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  static func decode(_ file: [UInt8], limit: Int) throws(ImageFailure) -> Picture {
    let chunks = try PNGChunks(file)
    let image = try PNGFormat(chunks, limit: limit)
    return try image.decoded(chunks, limit: limit)
  }

  private enum Colour: Int {
    case grey = 0, rgb = 2, palette = 3, greyAlpha = 4, rgba = 6

    var channels: Int {
      switch self {
      case .grey, .palette: 1
      case .greyAlpha: 2
      case .rgb: 3
      case .rgba: 4
      }
    }

    func allows(depth: Int) -> Bool {
      switch self {
      case .grey: [1, 2, 4, 8, 16].contains(depth)
      case .palette: [1, 2, 4, 8].contains(depth)
      default: depth == 8 || depth == 16
      }
    }
  }

  /// Where a pass's pixels lie in the image.
  private struct Pass {
    let column: Int, row: Int, columnStep: Int, rowStep: Int
  }

  private static let interlacing: [Pass] = [
    Pass(column: 0, row: 0, columnStep: 8, rowStep: 8), Pass(column: 4, row: 0, columnStep: 8, rowStep: 8),
    Pass(column: 0, row: 4, columnStep: 4, rowStep: 8), Pass(column: 2, row: 0, columnStep: 4, rowStep: 4),
    Pass(column: 0, row: 2, columnStep: 2, rowStep: 4), Pass(column: 1, row: 0, columnStep: 2, rowStep: 2),
    Pass(column: 0, row: 1, columnStep: 1, rowStep: 2),
  ]

  private let width: Int
  private let height: Int
  private let depth: Int
  private let colour: Colour
  private let passes: [Pass]
  private let palette: [UInt8]

  private init(_ chunks: PNGChunks, limit: Int) throws(ImageFailure) {
    let header = ImageBytes(bytes: chunks.header)
    width = try header.signedLong(0)
    height = try header.signedLong(4)
    depth = Int(try header.byte(8))
    guard let colour = Colour(rawValue: Int(try header.byte(9))), colour.allows(depth: depth),
      try header.byte(10) == 0, try header.byte(11) == 0
    else { throw .damaged }
    self.colour = colour
    let interlace = try header.byte(12)
    if interlace > 1 { throw .damaged }
    passes = interlace == 1 ? Self.interlacing : [Pass(column: 0, row: 0, columnStep: 1, rowStep: 1)]
    palette = chunks.palette
    try Picture.check(width: width, height: height, bytesPerPixel: 8, limit: limit)
  }

  private func size(_ pass: Pass) -> (columns: Int, rows: Int) {
    (
      max(0, (width - pass.column + pass.columnStep - 1) / pass.columnStep),
      max(0, (height - pass.row + pass.rowStep - 1) / pass.rowStep)
    )
  }

  private func lineBytes(_ columns: Int) -> Int { (columns * colour.channels * depth + 7) / 8 }

  private func decoded(_ chunks: PNGChunks, limit: Int) throws(ImageFailure) -> Picture {
    var total = 0
    for pass in passes {
      let (columns, rows) = size(pass)
      if columns > 0 { total += rows * (lineBytes(columns) + 1) }
    }
    // Two bytes of zlib's own come first.
    let deflated = chunks.data.dropFirst(2)
    guard var lines = deflated.withUnsafeBytes({ try? Zlib.inflateRaw($0, size: total) }) else {
      throw .damaged
    }
    let isGrey = colour == .grey || colour == .greyAlpha
    var picture = try Picture(width: width, height: height, samples: isGrey ? 1 : 3, limit: limit)
    var start = 0
    for pass in passes {
      let (columns, rows) = size(pass)
      if columns == 0 || rows == 0 { continue }
      let bytes = lineBytes(columns)
      try PNGFilter.undo(
        &lines, start: start, rows: rows, bytes: bytes, step: max(1, colour.channels * depth / 8))
      for row in 0..<rows {
        let first = start + row * (bytes + 1) + 1
        try put(lines[first..<(first + bytes)], columns, pass, row, &picture)
      }
      start += rows * (bytes + 1)
    }
    return picture
  }

  private func put(
    _ line: ArraySlice<UInt8>, _ columns: Int, _ pass: Pass, _ row: Int, _ picture: inout Picture
  ) throws(ImageFailure) {
    for column in 0..<columns {
      let place =
        ((pass.row + row * pass.rowStep) * width + pass.column + column * pass.columnStep) * picture.samples
      if depth < 8 {
        let value = PackedSamples.read(line, column, bits: depth)
        if colour == .palette {
          try putEntry(value, place, &picture)
        } else {
          picture.bytes[place] = UInt8(value * 255 / (1 << depth - 1))
        }
        continue
      }
      let source = line.startIndex + column * colour.channels * depth / 8
      if colour == .palette {
        try putEntry(Int(line[source]), place, &picture)
      } else {
        for sample in 0..<picture.samples {
          picture.bytes[place + sample] = line[source + sample * depth / 8]
        }
      }
    }
  }

  private func putEntry(_ entry: Int, _ place: Int, _ picture: inout Picture) throws(ImageFailure) {
    if entry * 3 + 2 >= palette.count { throw .damaged }
    for sample in 0..<3 { picture.bytes[place + sample] = palette[entry * 3 + sample] }
  }
}

/// What a PNG file's chunks hold.
struct PNGChunks {
  private(set) var header: [UInt8] = []
  private(set) var palette: [UInt8] = []
  private(set) var data: [UInt8] = []

  init(_ bytes: [UInt8]) throws(ImageFailure) {
    let file = ImageBytes(bytes: bytes)
    var position = PNGFormat.signature.count
    var isComplete = false
    while !isComplete {
      let length = try file.long(position)
      let body = try file.range(position + 8, length)
      let checked = try file.range(position + 4, length + 4)
      if checked.withUnsafeBytes({ Zlib.crc($0) }) != UInt32(try file.long(position + 8 + length)) {
        throw .damaged
      }
      switch try file.long(position + 4) {
      case 0x4948_4452: header = Array(body)  // IHDR
      case 0x504C_5445: palette = Array(body)  // PLTE
      case 0x4944_4154: data += body  // IDAT
      case 0x4945_4E44: isComplete = true  // IEND
      default: break
      }
      position += length + 12
    }
    if header.count != 13 || palette.count % 3 != 0 || palette.count > 768 { throw .damaged }
  }
}

/// Each line is stored as differences from its neighbours.
enum PNGFilter {
  /// - Parameters:
  ///   - bytes: of a line, without the one before it that names the filter.
  ///   - step: bytes from a pixel to the next.
  static func undo(
    _ lines: inout [UInt8], start: Int, rows: Int, bytes: Int, step: Int
  ) throws(ImageFailure) {
    for row in 0..<rows {
      let line = start + row * (bytes + 1) + 1
      let filter = lines[line - 1]
      if filter > 4 { throw .damaged }
      if filter == 0 { continue }
      for index in 0..<bytes {
        let left = index >= step ? Int(lines[line + index - step]) : 0
        let above = row > 0 ? Int(lines[line + index - bytes - 1]) : 0
        let corner = row > 0 && index >= step ? Int(lines[line + index - step - bytes - 1]) : 0
        let guess =
          switch filter {
          case 1: left
          case 2: above
          case 3: (left + above) / 2
          default: nearest(left, above, corner)
          }
        lines[line + index] &+= UInt8(guess)
      }
    }
  }

  /// Paeth's predictor.
  private static func nearest(_ left: Int, _ above: Int, _ corner: Int) -> Int {
    let guess = left + above - corner
    let (a, b, c) = (abs(guess - left), abs(guess - above), abs(guess - corner))
    return a <= b && a <= c ? left : b <= c ? above : corner
  }
}
