/// Huffman tables, and the order of coefficients in a file.
struct JPEGTables {
  static let zigzag: [Int] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46,
    53, 60, 61, 54, 47, 55, 62, 63,
  ]

  /// A code by its length: the largest code of each, and where its values begin.
  struct Table {
    var largest = [Int](repeating: -1, count: 17)
    var offset = [Int](repeating: 0, count: 17)
    var values: [UInt8] = []
  }

  private(set) var dc = [Table](repeating: Table(), count: 4)
  private(set) var ac = [Table](repeating: Table(), count: 4)

  mutating func read(_ body: ArraySlice<UInt8>) throws(ImageFailure) {
    let bytes = ImageBytes(bytes: Array(body))
    var position = 0
    while position < bytes.count {
      let head = Int(try bytes.byte(position))
      guard head & 15 < 4, head >> 4 < 2 else { throw .damaged }
      var table = Table()
      var code = 0
      var count = 0
      for length in 1...16 {
        let codes = Int(try bytes.byte(position + length))
        table.offset[length] = count - code
        code += codes
        count += codes
        if code > 1 << length { throw .damaged }
        if codes > 0 { table.largest[length] = code - 1 }
        code <<= 1
      }
      if count > 256 { throw .damaged }
      table.values = Array(try bytes.range(position + 17, count))
      if head >> 4 == 0 { dc[head & 15] = table } else { ac[head & 15] = table }
      position += 17 + count
    }
  }
}

/// The bits of a scan, with the bytes taken out that are stuffed after 0xFF.
struct JPEGBits {
  let bytes: [UInt8]
  private(set) var position: Int
  private var held = 0
  private var count = 0

  init(bytes: [UInt8], position: Int) {
    self.bytes = bytes
    self.position = position
  }

  /// Where the next marker is.
  var end: Int { position }

  mutating func bit() throws(ImageFailure) -> Int {
    if count == 0 {
      guard position < bytes.count else { throw .damaged }
      held = Int(bytes[position])
      if held == 0xFF {
        guard position + 1 < bytes.count, bytes[position + 1] == 0 else { throw .damaged }
        position += 1
      }
      position += 1
      count = 8
    }
    count -= 1
    return held >> count & 1
  }

  mutating func bits(_ count: Int) throws(ImageFailure) -> Int {
    var value = 0
    for _ in 0..<count { value = value << 1 | (try bit()) }
    return value
  }

  /// A number of `count` bits, of which the lower half stands for negative ones.
  mutating func number(_ count: Int) throws(ImageFailure) -> Int {
    if count == 0 { return 0 }
    let value = try bits(count)
    return value < 1 << (count - 1) ? value - (1 << count) + 1 : value
  }

  mutating func symbol(_ table: JPEGTables.Table) throws(ImageFailure) -> Int {
    var code = 0
    for length in 1...16 {
      code = code << 1 | (try bit())
      if code <= table.largest[length] {
        let index = code + table.offset[length]
        guard table.values.indices.contains(index) else { throw .damaged }
        return Int(table.values[index])
      }
    }
    throw .damaged
  }

  /// Goes on after a restart marker.
  mutating func restart() throws(ImageFailure) {
    count = 0
    while position + 1 < bytes.count, bytes[position] == 0xFF, bytes[position + 1] == 0xFF { position += 1 }
    guard position + 1 < bytes.count, bytes[position] == 0xFF, (0xD0...0xD7).contains(bytes[position + 1])
    else {
      throw .damaged
    }
    position += 2
  }
}

/// One pass over the image that gives some bits of some coefficients.
struct JPEGScan {
  struct Part {
    let component: Int
    let dc: Int
    let ac: Int
  }

  let parts: [Part]
  let band: ClosedRange<Int>
  /// The bits of each coefficient that came before, 0 in its first scan, and those that are yet to come.
  let high: Int
  let low: Int
  let restartInterval: Int
  var bits: JPEGBits

  private var last = [Int](repeating: 0, count: 4)
  /// Blocks that have no further coefficient in this band.
  private var emptyBlocks = 0

  init(
    parts: [Part], band: ClosedRange<Int>, high: Int, low: Int, restartInterval: Int, bits: JPEGBits
  ) {
    self.parts = parts
    self.band = band
    self.high = high
    self.low = low
    self.restartInterval = restartInterval
    self.bits = bits
  }

  mutating func run(_ frame: inout JPEGFrame, _ tables: JPEGTables) throws(ImageFailure) {
    let isInterleaved = parts.count > 1
    let first = frame.components[parts[0].component]
    let columns = isInterleaved ? frame.unitColumns : first.columns
    let units = columns * (isInterleaved ? frame.unitRows : first.rows)
    for unit in 0..<units {
      if restartInterval > 0 && unit > 0 && unit % restartInterval == 0 {
        try bits.restart()
        last = [0, 0, 0, 0]
        emptyBlocks = 0
      }
      let (row, column) = unit.quotientAndRemainder(dividingBy: columns)
      for part in parts {
        let component = frame.components[part.component]
        for down in 0..<(isInterleaved ? component.down : 1) {
          for across in 0..<(isInterleaved ? component.across : 1) {
            let line = isInterleaved ? row * component.down + down : row
            let place = isInterleaved ? column * component.across + across : column
            try decode(
              &frame.components[part.component].coefficients, (line * component.stride + place) * 64, part,
              tables, frame.isProgressive)
          }
        }
      }
    }
  }

  private mutating func decode(
    _ block: inout [Int16], _ start: Int, _ part: Part, _ tables: JPEGTables, _ isProgressive: Bool
  ) throws(ImageFailure) {
    if !isProgressive {
      try decodeDC(&block, start, part, tables.dc[part.dc])
      try decodeBlock(&block, start, tables.ac[part.ac])
    } else if band.lowerBound == 0 {
      if high == 0 {
        try decodeDC(&block, start, part, tables.dc[part.dc])
      } else if try bits.bit() == 1 {
        block[start] |= 1 << low
      }
    } else if high == 0 {
      try decodeBand(&block, start, tables.ac[part.ac])
    } else {
      try refineBand(&block, start, tables.ac[part.ac])
    }
  }

  private mutating func decodeDC(
    _ block: inout [Int16], _ start: Int, _ part: Part, _ table: JPEGTables.Table
  ) throws(ImageFailure) {
    let size = try bits.symbol(table)
    if size > 15 { throw .damaged }
    last[part.component] += try bits.number(size)
    block[start] = Int16(truncatingIfNeeded: last[part.component] << low)
  }

  private mutating func decodeBlock(
    _ block: inout [Int16], _ start: Int, _ table: JPEGTables.Table
  ) throws(ImageFailure) {
    var index = 1
    while index < 64 {
      let symbol = try bits.symbol(table)
      let (run, size) = (symbol >> 4, symbol & 15)
      if size == 0 {
        if run < 15 { break }
        index += 16
        continue
      }
      index += run
      if index > 63 { throw .damaged }
      block[start + JPEGTables.zigzag[index]] = Int16(truncatingIfNeeded: try bits.number(size))
      index += 1
    }
  }

  private mutating func decodeBand(
    _ block: inout [Int16], _ start: Int, _ table: JPEGTables.Table
  ) throws(ImageFailure) {
    if emptyBlocks > 0 {
      emptyBlocks -= 1
      return
    }
    var index = band.lowerBound
    while index <= band.upperBound {
      let symbol = try bits.symbol(table)
      let (run, size) = (symbol >> 4, symbol & 15)
      if size == 0 {
        if run < 15 {
          emptyBlocks = (1 << run) - 1 + (try bits.bits(run))
          break
        }
        index += 16
        continue
      }
      index += run
      if index > 63 { throw .damaged }
      block[start + JPEGTables.zigzag[index]] = Int16(truncatingIfNeeded: try bits.number(size) << low)
      index += 1
    }
  }

  /// One more bit for coefficients that are not 0, and new ones of the value of that bit.
  private mutating func refineBand(
    _ block: inout [Int16], _ start: Int, _ table: JPEGTables.Table
  ) throws(ImageFailure) {
    var index = band.lowerBound
    let one = Int16(1) << Int16(low)
    if emptyBlocks == 0 {
      while index <= band.upperBound {
        let symbol = try bits.symbol(table)
        var run = symbol >> 4
        var value: Int16 = 0
        switch symbol & 15 {
        case 0:
          if run < 15 {
            emptyBlocks = (1 << run) + (try bits.bits(run))
          }
        case 1: value = try bits.bit() == 1 ? one : -one
        default: throw .damaged
        }
        if emptyBlocks > 0 { break }
        while index <= band.upperBound {
          let place = start + JPEGTables.zigzag[index]
          if block[place] != 0 {
            try refine(&block[place], one)
          } else if run == 0 {
            if value != 0 { block[place] = value }
            index += 1
            break
          } else {
            run -= 1
          }
          index += 1
        }
      }
    }
    if emptyBlocks > 0 {
      while index <= band.upperBound {
        let place = start + JPEGTables.zigzag[index]
        if block[place] != 0 { try refine(&block[place], one) }
        index += 1
      }
      emptyBlocks -= 1
    }
  }

  private mutating func refine(_ coefficient: inout Int16, _ one: Int16) throws(ImageFailure) {
    if try bits.bit() == 1 && coefficient & one == 0 { coefficient &+= coefficient > 0 ? one : -one }
  }
}
