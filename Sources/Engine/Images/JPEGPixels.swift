/// From a JPEG's coefficients to pixels, bit for bit as libjpeg-turbo does it by default: its accurate integer
/// transform and "fancy" upsampling, which ONNX's ImageDecoder asks for.
struct JPEGPixels {
  let frame: JPEGFrame
  let quantization: [[Int32]]
  let adobe: UInt8?

  /// A component's samples, or those of the image.
  struct Plane {
    var width: Int
    var height: Int
    /// Samples from a row to the next.
    var stride: Int
    var samples: [UInt8]
  }

  func picture(limit: Int) throws(ImageFailure) -> Picture {
    var planes: [Plane] = []
    for component in frame.components {
      if quantization[component.table].isEmpty { throw .damaged }
      planes.append(try upsampled(plane(component), component))
    }
    let (width, height) = (frame.width, frame.height)
    var picture = try Picture(width: width, height: height, samples: planes.count, limit: limit)
    let isColour = planes.count == 3 && !isRGB
    for row in 0..<height {
      for column in 0..<width {
        let place = (row * width + column) * planes.count
        func sample(_ plane: Int) -> UInt8 { planes[plane].samples[row * planes[plane].stride + column] }
        if isColour {
          Self.putColour(
            Int(sample(0)), Int(sample(1)) - 128, Int(sample(2)) - 128, &picture.bytes, place)
        } else {
          for plane in planes.indices { picture.bytes[place + plane] = sample(plane) }
        }
      }
    }
    return picture
  }

  private var isRGB: Bool {
    if let adobe { return adobe == 0 }
    return frame.components.map(\.id) == [0x52, 0x47, 0x42]
  }

  /// ITU-R 601, in 16-bit fixed point.
  private static func putColour(_ y: Int, _ cb: Int, _ cr: Int, _ bytes: inout [UInt8], _ place: Int) {
    bytes[place] = clamp(y + (91881 * cr + 32768) >> 16)
    bytes[place + 1] = clamp(y + (-22554 * cb - 46802 * cr + 32768) >> 16)
    bytes[place + 2] = clamp(y + (116130 * cb + 32768) >> 16)
  }

  private static func clamp(_ value: Int) -> UInt8 { UInt8(min(max(value, 0), 255)) }

  // MARK: Blocks

  private func plane(_ component: JPEGComponent) -> Plane {
    let stride = component.stride * 8
    var plane = Plane(
      width: component.width, height: component.height, stride: stride,
      samples: [UInt8](repeating: 0, count: stride * component.paddedRows * 8))
    let table = quantization[component.table]
    var block = [Int](repeating: 0, count: 64)
    for row in 0..<component.paddedRows {
      for column in 0..<component.stride {
        let start = (row * component.stride + column) * 64
        for index in 0..<64 { block[index] = Int(component.coefficients[start + index]) * Int(table[index]) }
        JPEGTransform.inverse(&block)
        for index in 0..<64 {
          plane.samples[(row * 8 + index / 8) * stride + column * 8 + index % 8] = Self.clamp(
            block[index] + 128)
        }
      }
    }
    return plane
  }

  // MARK: Resolution

  private func upsampled(_ plane: Plane, _ component: JPEGComponent) throws(ImageFailure) -> Plane {
    let (across, down) = (frame.across / component.across, frame.down / component.down)
    if across * component.across != frame.across || down * component.down != frame.down {
      throw .unsupported("JPEG with fractional sampling factors")
    }
    if across == 1 && down == 1 { return plane }
    if across == 2 && down == 1 && plane.width > 2 { return widened(plane) }
    if across == 1 && down == 2 { return heightened(plane) }
    if across == 2 && down == 2 && plane.width > 2 { return doubled(plane) }
    var result = empty(plane, across, down)
    for row in 0..<result.height {
      for column in 0..<result.width {
        result.samples[row * result.stride + column] =
          plane.samples[row / down * plane.stride + column / across]
      }
    }
    return result
  }

  private func empty(_ plane: Plane, _ across: Int, _ down: Int) -> Plane {
    let (width, height) = (plane.width * across, plane.height * down)
    return Plane(
      width: width, height: height, stride: width, samples: [UInt8](repeating: 0, count: width * height))
  }

  /// Twice as wide: 3/4 of the nearer sample and 1/4 of the other.
  private func widened(_ plane: Plane) -> Plane {
    var result = empty(plane, 2, 1)
    for row in 0..<plane.height {
      func sample(_ column: Int) -> Int { Int(plane.samples[row * plane.stride + column]) }
      for column in 0..<plane.width {
        let target = row * result.stride + 2 * column
        let own = sample(column)
        let (left, right) = (sample(max(column - 1, 0)), sample(min(column + 1, plane.width - 1)))
        result.samples[target] = UInt8(column == 0 ? own : (3 * own + left + 1) >> 2)
        result.samples[target + 1] = UInt8(column == plane.width - 1 ? own : (3 * own + right + 2) >> 2)
      }
    }
    return result
  }

  private func heightened(_ plane: Plane) -> Plane {
    var result = empty(plane, 1, 2)
    for row in 0..<result.height {
      let (own, other) = neighbours(row, plane)
      for column in 0..<plane.width {
        let sum = 3 * Int(plane.samples[own + column]) + Int(plane.samples[other + column])
        result.samples[row * result.stride + column] = UInt8((sum + (row % 2 == 0 ? 1 : 2)) >> 2)
      }
    }
    return result
  }

  private func doubled(_ plane: Plane) -> Plane {
    var result = empty(plane, 2, 2)
    for row in 0..<result.height {
      let (own, other) = neighbours(row, plane)
      func sum(_ column: Int) -> Int {
        3 * Int(plane.samples[own + column]) + Int(plane.samples[other + column])
      }
      for column in 0..<plane.width {
        let target = row * result.stride + 2 * column
        let (left, right) = (sum(max(column - 1, 0)), sum(min(column + 1, plane.width - 1)))
        result.samples[target] = UInt8((3 * sum(column) + left + 8) >> 4)
        result.samples[target + 1] = UInt8((3 * sum(column) + right + 7) >> 4)
      }
    }
    return result
  }

  /// Where the row begins that output row `row` lies in, and the nearer one beside it.
  private func neighbours(_ row: Int, _ plane: Plane) -> (own: Int, other: Int) {
    let own = row / 2
    let other = min(max(row % 2 == 0 ? own - 1 : own + 1, 0), plane.height - 1)
    return (own * plane.stride, other * plane.stride)
  }
}

/// The inverse discrete cosine transform of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), in 13-bit fixed point
/// as libjpeg's `jidctint` computes it.
enum JPEGTransform {
  static func inverse(_ block: inout [Int]) {
    // Columns keep two more bits for the rows.
    for column in 0..<8 { line(&block, column, 8, shift: 11) }
    for row in 0..<8 { line(&block, row * 8, 1, shift: 18) }
  }

  private static func line(_ block: inout [Int], _ start: Int, _ step: Int, shift: Int) {
    func value(_ index: Int) -> Int { block[start + index * step] }
    let common = (value(2) + value(6)) * 4433
    let low = common - value(6) * 15137
    let high = common + value(2) * 6270
    let (sum, difference) = ((value(0) + value(4)) << 13, (value(0) - value(4)) << 13)
    let even = [sum + high, difference + low, difference - low, sum - high]

    let (a, b, c, d) = (value(7), value(5), value(3), value(1))
    let all = (a + c + b + d) * 9633
    let (ad, bc) = ((a + d) * -7373, (b + c) * -20995)
    let (ac, bd) = ((a + c) * -16069 + all, (b + d) * -3196 + all)
    let odd = [d * 12299 + ad + bd, c * 25172 + bc + ac, b * 16819 + bc + bd, a * 2446 + ad + ac]

    let half = 1 << (shift - 1)
    for index in 0..<4 {
      block[start + index * step] = (even[index] + odd[index] + half) >> shift
      block[start + (7 - index) * step] = (even[index] - odd[index] + half) >> shift
    }
  }
}
