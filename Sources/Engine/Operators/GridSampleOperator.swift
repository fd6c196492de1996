import GraphIR
import Tensors

/// `GridSample`: pixels at places that a grid gives, in one to three dimensions.
struct GridSampleOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  let attributes: GridSampleAttributes
  /// How pixels of another type than the grid's are read and written.
  var pixels: ElementAccess?

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    let output = try request.output().shape
    let rank = input.rank - 2
    if rank > 3 { throw OperatorFailure.unsupported("\(rank) spatial axes, at most 3 are supported") }
    if output.elementCount == 0 { return .nothing }
    let channels = input[1]
    let places = output.product(2..<output.rank)
    let extents = Array(input.dimensions[2...])
    let plane = extents.reduce(1, *)
    let strides = Array(input.strides[2...])
    let sampler = AxisSampler<Element>(attributes)
    let perAxis = sampler.taps
    let combinations = (0..<rank).reduce(1) { count, _ in count * perAxis }
    let access = self.pixels
    let pixelWidth = try request.input(0).element.bitWidth / 8
    let weightBytes = combinations * MemoryLayout<Element>.stride
    return Kernel(
      "grid_sample", units: output[0] * places, costPerUnit: combinations * (channels + 4),
      threads: request.threads,
      threadScratch: combinations * MemoryLayout<Int>.stride + weightBytes
    ) { operands, range in
      let offsets = operands.threadScratch.assumingMemoryBound(to: Int.self)
      let weights = (operands.threadScratch + combinations * MemoryLayout<Int>.stride)
        .assumingMemoryBound(to: Element.self)
      let grid: UnsafePointer<Element> = operands.input(1)
      let result: UnsafeMutablePointer<Element> = operands.output()
      for unit in range {
        let (image, place) = unit.quotientAndRemainder(dividingBy: places)
        offsets[0] = 0
        weights[0] = 1
        var count = 1
        for axis in 0..<rank {
          // The last coordinate belongs to the first spatial axis.
          let coordinate = grid[unit * rank + rank - 1 - axis]
          count = sampler.extend(
            offsets, weights, count, coordinate: coordinate, extent: extents[axis], stride: strides[axis])
        }
        for channel in 0..<channels {
          let first = (image * channels + channel) * plane
          let target = (image * channels + channel) * places + place
          var sum: Element = 0
          if let access {
            let pixels = operands.rawInput(0) + first * pixelWidth
            for tap in 0..<count where offsets[tap] >= 0 {
              sum += weights[tap] * Element(access.read(pixels, offsets[tap]))
            }
            access.write(operands.rawOutput(), target, Double(sum))
            continue
          }
          let pixels = operands.input(0, as: Element.self) + first
          for tap in 0..<count where offsets[tap] >= 0 { sum += weights[tap] * pixels[offsets[tap]] }
          result[target] = sum
        }
      }
    }
  }
}

/// The pixels along one axis from which a value between them is made.
private struct AxisSampler<Element: ArithmeticElement & BinaryFloatingPoint>: Sendable {
  let mode: GridSampleAttributes.Mode
  let padding: GridSampleAttributes.Padding
  let alignsCorners: Bool
  /// Places further out than this are moved here: outside every image, and safe to count with.
  private static var farthest: Double { 0x1p40 }

  init(_ attributes: GridSampleAttributes) {
    mode = attributes.mode
    padding = attributes.padding
    alignsCorners = attributes.alignsCorners
  }

  var taps: Int {
    switch mode {
    case .nearest: 1
    case .linear: 2
    case .cubic: 4
    }
  }

  /// Combines each of the `count` taps so far with those of one more axis; an offset of -1 counts as zero.
  func extend(
    _ offsets: UnsafeMutablePointer<Int>, _ weights: UnsafeMutablePointer<Element>, _ count: Int,
    coordinate: Element, extent: Int, stride: Int
  ) -> Int {
    let place = self.place(coordinate, extent)
    let first =
      mode == .nearest ? place.rounded(.toNearestOrEven) : place.rounded(.down) - (mode == .cubic ? 1 : 0)
    let fraction = Element(place - place.rounded(.down))
    // From the back, so that what is read is not overwritten yet.
    for old in Swift.stride(from: count - 1, through: 0, by: -1) {
      let (offset, weight) = (offsets[old], weights[old])
      for tap in 0..<taps {
        let index = resolve(Int(first) + tap, extent)
        offsets[old * taps + tap] = offset < 0 || index < 0 ? -1 : offset + index * stride
        weights[old * taps + tap] = weight * self.weight(tap, fraction)
      }
    }
    return count * taps
  }

  private func place(_ coordinate: Element, _ extent: Int) -> Double {
    let x = Double(coordinate) + 1
    let place = alignsCorners ? x / 2 * Double(extent - 1) : (x * Double(extent) - 1) / 2
    return place.isNaN ? -Self.farthest : Swift.min(Swift.max(place, -Self.farthest), Self.farthest)
  }

  private func resolve(_ index: Int, _ extent: Int) -> Int {
    if index >= 0 && index < extent { return index }
    switch padding {
    case .zeros: return -1
    case .border: return extent == 0 ? -1 : Swift.min(Swift.max(index, 0), extent - 1)
    case .reflection:
      let period = alignsCorners ? 2 * (extent - 1) : 2 * extent
      if period <= 0 { return extent - 1 }
      let rest = index % period
      let inside = rest < 0 ? rest + period : rest
      if inside < extent { return inside }
      return alignsCorners ? period - inside : period - 1 - inside
    }
  }

  /// Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981, with a = -0.75.
  private func weight(_ tap: Int, _ fraction: Element) -> Element {
    switch mode {
    case .nearest: return 1
    case .linear: return tap == 0 ? 1 - fraction : fraction
    case .cubic:
      let a: Element = -0.75
      let distance = abs(fraction - Element(tap - 1))
      if distance <= 1 { return ((a + 2) * distance - (a + 3)) * distance * distance + 1 }
      return ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    }
  }
}
