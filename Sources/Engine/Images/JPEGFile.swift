/// JPEG (ITU-T T.81): baseline, extended and progressive, Huffman coded, 8 bits, grey or three components.
struct JPEGFile {
  static let signature: [UInt8] = [0xFF, 0xD8, 0xFF]
  /// Every scan walks the whole image.
  private static let scanLimit = 200

  static func decode(_ file: [UInt8], limit: Int) throws(ImageFailure) -> Picture {
    var decoder = JPEGFile(file: ImageBytes(bytes: file), limit: limit)
    try decoder.readSegments()
    return try JPEGPixels(frame: decoder.frame, quantization: decoder.quantization, adobe: decoder.adobe)
      .picture(limit: limit)
  }

  private let file: ImageBytes
  private let limit: Int
  private var frame = JPEGFrame()
  private var quantization = [[Int32]](repeating: [], count: 4)
  private var tables = JPEGTables()
  private var restartInterval = 0
  /// The colour transform that an Adobe segment names.
  private var adobe: UInt8?

  private init(file: ImageBytes, limit: Int) {
    self.file = file
    self.limit = limit
  }

  private mutating func readSegments() throws(ImageFailure) {
    var position = 2
    var scans = 0
    while true {
      if try file.byte(position) != 0xFF { throw .damaged }
      let marker = try file.byte(position + 1)
      if marker == 0xFF {
        position += 1
        continue
      }
      if marker == 0xD9 { break }
      let length = try file.word(position + 2)
      if length < 2 { throw .damaged }
      let body = try file.range(position + 4, length - 2)
      position += 2 + length
      switch marker {
      case 0xC0, 0xC1, 0xC2: try readFrame(body, isProgressive: marker == 0xC2)
      case 0xC4: try tables.read(body)
      case 0xC3, 0xC5...0xC7, 0xC9...0xCB, 0xCD...0xCF:
        throw .unsupported("JPEG of coding process \(marker - 0xC0)")
      case 0xDB: try readQuantization(body)
      case 0xDD: restartInterval = try ImageBytes(bytes: Array(body)).word(0)
      case 0xEE where body.starts(with: [0x41, 0x64, 0x6F, 0x62, 0x65]) && body.count >= 12:
        adobe = body[body.startIndex + 11]
      case 0xDA:
        scans += 1
        if scans > Self.scanLimit { throw .damaged }
        position = try readScan(body, position)
      default: break
      }
    }
    if frame.components.isEmpty || scans == 0 { throw .damaged }
  }

  private mutating func readQuantization(_ body: ArraySlice<UInt8>) throws(ImageFailure) {
    let bytes = ImageBytes(bytes: Array(body))
    var position = 0
    while position < bytes.count {
      let head = Int(try bytes.byte(position))
      let isWide = head >> 4 != 0
      guard head & 15 < 4, head >> 4 < 2 else { throw .damaged }
      var table = [Int32](repeating: 0, count: 64)
      for index in 0..<64 {
        let offset = position + 1 + index * (isWide ? 2 : 1)
        table[JPEGTables.zigzag[index]] = Int32(isWide ? try bytes.word(offset) : Int(try bytes.byte(offset)))
      }
      quantization[head & 15] = table
      position += isWide ? 129 : 65
    }
  }

  private mutating func readFrame(_ body: ArraySlice<UInt8>, isProgressive: Bool) throws(ImageFailure) {
    if !frame.components.isEmpty { throw .damaged }
    let bytes = ImageBytes(bytes: Array(body))
    if try bytes.byte(0) != 8 { throw .unsupported("JPEG of \(try bytes.byte(0)) bits") }
    let count = Int(try bytes.byte(5))
    if count != 1 && count != 3 { throw .unsupported("JPEG of \(count) components") }
    frame = JPEGFrame(height: try bytes.word(1), width: try bytes.word(3), isProgressive: isProgressive)
    // Coefficients of 16 bits, padded to whole blocks of up to 4 x 4.
    try Picture.check(
      width: (frame.width + 31) / 32 * 32, height: (frame.height + 31) / 32 * 32, bytesPerPixel: 4 * count,
      limit: limit)
    // A block takes a bit at least, so that a short file does not make a large image.
    if frame.width * frame.height / 64 / 16 > file.count { throw .damaged }
    for index in 0..<count {
      let sampling = try bytes.byte(7 + index * 3)
      let (across, down) = (Int(sampling >> 4), Int(sampling & 15))
      let table = Int(try bytes.byte(8 + index * 3))
      guard (1...4).contains(across), (1...4).contains(down), table < 4 else { throw .damaged }
      frame.components.append(
        JPEGComponent(
          id: try bytes.byte(6 + index * 3), across: count == 1 ? 1 : across, down: count == 1 ? 1 : down,
          table: table))
    }
    frame.layOut()
  }

  private mutating func readScan(_ body: ArraySlice<UInt8>, _ start: Int) throws(ImageFailure) -> Int {
    let bytes = ImageBytes(bytes: Array(body))
    let count = Int(try bytes.byte(0))
    var parts: [JPEGScan.Part] = []
    for index in 0..<count {
      let id = try bytes.byte(1 + index * 2)
      let selector = Int(try bytes.byte(2 + index * 2))
      guard let component = frame.components.firstIndex(where: { $0.id == id }), selector >> 4 < 4,
        selector & 15 < 4, !parts.contains(where: { $0.component == component })
      else { throw .damaged }
      parts.append(JPEGScan.Part(component: component, dc: selector >> 4, ac: selector & 15))
    }
    let (first, last) = (Int(try bytes.byte(1 + count * 2)), Int(try bytes.byte(2 + count * 2)))
    let precision = try bytes.byte(3 + count * 2)
    let band = frame.isProgressive ? first...max(first, last) : 0...63
    guard !parts.isEmpty, band.upperBound < 64, !frame.isProgressive || first <= last,
      precision >> 4 < 14, precision & 15 < 14
    else { throw .damaged }
    if frame.isProgressive && (first == 0 ? last != 0 : parts.count != 1) { throw .damaged }
    var scan = JPEGScan(
      parts: parts, band: band, high: frame.isProgressive ? Int(precision >> 4) : 0,
      low: frame.isProgressive ? Int(precision & 15) : 0, restartInterval: restartInterval,
      bits: JPEGBits(bytes: file.bytes, position: start))
    try scan.run(&frame, tables)
    return scan.bits.end
  }
}

/// One of the colours, at its own resolution.
struct JPEGComponent {
  let id: UInt8
  /// Blocks in each unit of an interleaved scan.
  let across: Int
  let down: Int
  let table: Int
  /// Blocks of the component itself, and with the padding to whole units.
  var columns = 0
  var rows = 0
  var stride = 0
  var paddedRows = 0
  /// Samples of the component itself.
  var width = 0
  var height = 0
  /// 64 for each block, in natural order.
  var coefficients: [Int16] = []
}

struct JPEGFrame {
  var height = 0
  var width = 0
  var isProgressive = false
  var components: [JPEGComponent] = []
  var across = 1
  var down = 1
  var unitColumns = 0
  var unitRows = 0

  mutating func layOut() {
    across = components.map(\.across).max() ?? 1
    down = components.map(\.down).max() ?? 1
    unitColumns = (width + 8 * across - 1) / (8 * across)
    unitRows = (height + 8 * down - 1) / (8 * down)
    for index in components.indices {
      let component = components[index]
      components[index].width = (width * component.across + across - 1) / across
      components[index].height = (height * component.down + down - 1) / down
      components[index].columns = (components[index].width + 7) / 8
      components[index].rows = (components[index].height + 7) / 8
      components[index].stride = unitColumns * component.across
      components[index].paddedRows = unitRows * component.down
      components[index].coefficients = [Int16](
        repeating: 0, count: components[index].stride * components[index].paddedRows * 64)
    }
  }
}
