import GraphIR
import Tensors

extension EngineTable {
  static let samplingOperators: [OperatorEntry] = [
    OperatorEntry("GridSample", types: .numbers + [.bool], mixesFloats: true) { source in
      let attributes = try GridSampleAttributes(source.node)
      let grid = try source.element(1, in: .floats)
      let element = try source.element(0, in: .numbers + [.bool])
      let pixels = element == grid ? nil : try ElementAccess(element)
      if grid == .float32 { return GridSampleOperator<Float>(attributes: attributes, pixels: pixels) }
      return GridSampleOperator<Double>(attributes: attributes, pixels: pixels)
    },
    OperatorEntry("AffineGrid", types: .floats) { source in
      let alignsCorners = try source.node.flag("align_corners")
      if source.element(0) == .float32 { return AffineGridOperator<Float>(alignsCorners: alignsCorners) }
      return AffineGridOperator<Double>(alignsCorners: alignsCorners)
    },
    OperatorEntry("DeformConv", types: .floats) { source in
      if source.element(0) == .float32 { return DeformConvOperator<Float>() }
      return DeformConvOperator<Double>()
    },
    OperatorEntry("Col2Im", types: .numbers) {
      try $0.element(0, in: .numbers).withArithmetic(Col2ImFactory())
    },
    OperatorEntry("MaxUnpool", types: .floats) { source in
      if source.element(0) == .float32 { return MaxUnpoolOperator<Float>() }
      return MaxUnpoolOperator<Double>()
    },
  ]
}

/// `AffineGrid`: the places of an image's pixels, from -1 to 1, moved by a matrix for each image.
struct AffineGridOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  let alignsCorners: Bool

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let rank = output.rank - 2
    let places = output.product(1..<(1 + rank))
    let extents = Array(output.dimensions[1..<(1 + rank)])
    let alignsCorners = alignsCorners
    return Kernel("affine_grid", units: output[0] * places, costPerUnit: rank * 8, threads: request.threads) {
      operands, range in
      let result: UnsafeMutablePointer<Element> = operands.output()
      for unit in range {
        let (image, place) = unit.quotientAndRemainder(dividingBy: places)
        let theta = operands.input(0, as: Element.self) + image * rank * (rank + 1)
        for row in 0..<rank {
          var rest = place
          var sum = theta[row * (rank + 1) + rank]
          for axis in stride(from: rank - 1, through: 0, by: -1) {
            let (quotient, index) = rest.quotientAndRemainder(dividingBy: extents[axis])
            rest = quotient
            sum +=
              theta[row * (rank + 1) + rank - 1 - axis]
              * Self.position(index, of: extents[axis], alignsCorners)
          }
          result[unit * rank + row] = sum
        }
      }
    }
  }

  private static func position(_ index: Int, of extent: Int, _ alignsCorners: Bool) -> Element {
    if !alignsCorners { return Element(2 * index + 1) / Element(extent) - 1 }
    return extent == 1 ? 0 : Element(2 * index) / Element(extent - 1) - 1
  }
}

/// `DeformConv`: a convolution that reads each pixel of its window from a place of its own, between pixels.
/// Zhu et al., Deformable ConvNets v2, 2018.
struct DeformConvOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    let weight = try request.input(1).shape
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let attributes = try DeformConvAttributes(request.node, kernel: [weight[2], weight[3]])
    let window = attributes.window.window
    let (channels, height, width) = (input[1], input[2], input[3])
    let (filters, outHeight, outWidth) = (output[1], output[2], output[3])
    let share = weight[1]
    let groupFilters = max(1, filters / attributes.window.group)
    let offsetShare = max(1, channels / attributes.offsetGroup)
    let kernelSize = weight[2] * weight[3]
    let pads = window.pads(input: [height, width])
    let hasBias = request.hasInput(3)
    let hasMask = request.hasInput(4)
    let plane = outHeight * outWidth
    let offsetGroups = attributes.offsetGroup
    return Kernel(
      "deform_conv", units: output.elementCount, costPerUnit: share * kernelSize * 12,
      threads: request.threads
    ) { operands, range in
      let offsets: UnsafePointer<Element> = operands.input(2)
      for unit in range {
        let (column, row) = (unit % outWidth, unit / outWidth % outHeight)
        let (filter, image) = (unit / plane % filters, unit / plane / filters)
        let firstChannel = filter / groupFilters * share
        var sum: Element = hasBias ? operands.input(3, as: Element.self)[filter] : 0
        for part in 0..<share {
          let channel = firstChannel + part
          let pixels = operands.input(0, as: Element.self) + (image * channels + channel) * height * width
          for tap in 0..<kernelSize {
            let (ky, kx) = tap.quotientAndRemainder(dividingBy: weight[3])
            let place = (image * offsetGroups + channel / offsetShare) * kernelSize + tap
            let at = row * outWidth + column
            let y =
              Element(row * window.strides[0] - pads[0] + ky * window.dilations[0])
              + offsets[2 * place * plane + at]
            let x =
              Element(column * window.strides[1] - pads[1] + kx * window.dilations[1])
              + offsets[(2 * place + 1) * plane + at]
            var value = Self.sample(pixels, height, width, y, x)
            if hasMask { value *= operands.input(4, as: Element.self)[place * plane + at] }
            sum += value * operands.input(1, as: Element.self)[(filter * share + part) * kernelSize + tap]
          }
        }
        operands.output(0, as: Element.self)[unit] = sum
      }
    }
  }

  /// The bilinear value at (y, x); pixels outside are 0.
  private static func sample(
    _ pixels: UnsafePointer<Element>, _ height: Int, _ width: Int, _ y: Element, _ x: Element
  ) -> Element {
    guard y > -1, y < Element(height), x > -1, x < Element(width) else { return 0 }
    let (top, left) = (Int(y.rounded(.down)), Int(x.rounded(.down)))
    let (fy, fx) = (y - Element(top), x - Element(left))
    var sum: Element = 0
    for (row, rowWeight) in [(top, 1 - fy), (top + 1, fy)] where row >= 0 && row < height {
      if left >= 0 { sum += rowWeight * (1 - fx) * pixels[row * width + left] }
      if left + 1 < width { sum += rowWeight * fx * pixels[row * width + left + 1] }
    }
    return sum
  }
}

private struct Col2ImFactory: ArithmeticVisitor {
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    Col2ImOperator<Element>()
  }
}

/// `Col2Im`: blocks, one for each place of a window, added into an image.
struct Col2ImOperator<Element: ArithmeticElement>: ShapedOperator {
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let image = try request.integers(1)
    let window = try Col2ImAttributes.window(request.node, image: image, block: try request.integers(2))
    let rank = image.count
    let counts = image.indices.map { window.outputExtent($0, extent: image[$0]) ?? 0 }
    let pads = window.pads(input: image)
    let (positions, taps) = (counts.reduce(1, *), window.kernel.reduce(1, *))
    let strides = Array(output.strides[2...])
    let plane = image.reduce(1, *)
    return Kernel(
      "col2im", units: output[0] * output[1], costPerUnit: positions * taps * rank * 4,
      threads: request.threads
    ) { operands, range in
      for unit in range {
        let source = operands.input(0, as: Element.self) + unit * taps * positions
        let result = operands.output(0, as: Element.self) + unit * plane
        result.update(repeating: Element.zero, count: plane)
        for tap in 0..<taps {
          for position in 0..<positions {
            var (restTap, restPosition, offset) = (tap, position, 0)
            for axis in stride(from: rank - 1, through: 0, by: -1) {
              let step = restPosition % counts[axis] * window.strides[axis]
              let index = step - pads[axis] + restTap % window.kernel[axis] * window.dilations[axis]
              restPosition /= counts[axis]
              restTap /= window.kernel[axis]
              guard index >= 0, index < image[axis] else {
                offset = -1
                break
              }
              offset += index * strides[axis]
            }
            if offset < 0 { continue }
            result[offset] = Element.wrappingAdd(result[offset], source[tap * positions + position])
          }
        }
      }
    }
  }
}

/// `MaxUnpool`: values put back to where MaxPool found them, zeros elsewhere.
struct MaxUnpoolOperator<Element: ArithmeticElement>: ShapedOperator {
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    let output = try request.output().shape
    let window = try SlidingWindow(request.node)
    // Indices count in the shape that was pooled, which a given output shape may exceed.
    var pooled = input
    for axis in 0..<window.spatialRank {
      pooled[axis + 2] = try MaxUnpoolShape.extent(window, axis, input[axis + 2], request.node)
    }
    guard let pooledCount = pooled.checkedElementCount else {
      throw OperatorFailure.invalid("sizes overflow")
    }
    let (count, total) = (input.elementCount, output.elementCount)
    let (from, to) = (pooled.strides, output.strides)
    return Kernel("max_unpool") { operands, _ in
      let result: UnsafeMutablePointer<Element> = operands.output()
      result.update(repeating: Element.zero, count: total)
      for position in 0..<count {
        let index = operands.input(1, as: Int.self)[position]
        var offset = 0
        for axis in 0..<from.count where index >= 0 && index < pooledCount {
          let coordinate = index / from[axis] % pooled[axis]
          if coordinate >= output[axis] { throw OperatorFailure.invalid("index \(index) is out of range") }
          offset += coordinate * to[axis]
        }
        if index < 0 || index >= pooledCount {
          throw OperatorFailure.invalid("index \(index) is out of range")
        }
        result[offset] = operands.input(0, as: Element.self)[position]
      }
    }
  }
}
