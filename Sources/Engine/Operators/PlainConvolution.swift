import GraphIR
import Tensors

/// `Conv` with plain loops, for three spatial axes and for float64. Taps are added in ascending order, so the
/// result does not depend on the number of threads.
struct PlainConvolution<Element: ArithmeticElement>: ShapedOperator {
  var activation: Activation?

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    if output.elementCount == 0 { return .nothing }
    let shape = try ConvolutionShape(
      request.node, input: try request.input(0).shape, weight: try request.input(1).shape,
      output: output.shape)
    let hasBias = request.hasInput(2)
    let filters = shape.filters * shape.groups
    let size = shape.window.outputSize
    let activation = activation
    return Kernel(
      "conv_plain", units: shape.batch * filters, costPerUnit: size * shape.depth, threads: request.threads
    ) { operands, range in
      for plane in range {
        let (image, filter) = plane.quotientAndRemainder(dividingBy: filters)
        let y: UnsafeMutablePointer<Element> = operands.output() + plane * size
        let start = hasBias ? operands.input(2, as: Element.self)[filter] : Element.zero
        for index in 0..<size { y[index] = start }
        let group = filter / shape.filters
        let first = (image * shape.groups + group) * shape.channels
        for channel in 0..<shape.channels {
          Self.add(
            operands.input(0) + (first + channel) * shape.window.inputSize,
            operands.input(1) + (filter * shape.channels + channel) * shape.window.taps, y, shape.window)
        }
        if let activation {
          let floats = UnsafeMutableRawPointer(y).assumingMemoryBound(to: Float.self)
          activation.apply(floats, floats, count: size)
        }
      }
    }
  }

  /// Adds the convolution of one channel to the plane `y`.
  private static func add(
    _ x: UnsafePointer<Element>, _ weights: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>,
    _ window: SpatialWindow
  ) {
    for tap in 0..<window.taps {
      let column = tap % window.kernel[2]
      let row = tap / window.kernel[2] % window.kernel[1]
      let slice = tap / (window.kernel[2] * window.kernel[1])
      let weight = weights[tap]
      let columns = window.inside(2, tap: column)
      let stride = window.strides[2]
      for depth in window.inside(0, tap: slice) {
        for line in window.inside(1, tap: row) {
          let source =
            x
            + (window.position(0, depth, slice) * window.input[1] + window.position(1, line, row))
            * window.input[2]
          let destination = y + (depth * window.output[1] + line) * window.output[2]
          let offset = window.position(2, 0, column)
          for index in columns { destination[index].add(weight, times: source[offset + index * stride]) }
        }
      }
    }
  }
}

/// `ConvTranspose` with plain loops, up to three spatial axes.
struct TransposedConvolution<Element: ArithmeticElement>: ShapedOperator {
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    let weight = try request.input(1).shape
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let attributes = try ConvTransposeAttributes(request.node, kernel: Array(weight.dimensions.dropFirst(2)))
    let geometry = try Geometry(attributes, input: input, output: output)
    let (groups, filters) = (attributes.group, weight[1])
    let channels = input[1] / groups
    let hasBias = request.hasInput(2)
    let planes = filters * groups
    return Kernel(
      "conv_transpose", units: input[0] * planes, costPerUnit: channels * geometry.inputSize * geometry.taps,
      threads: request.threads
    ) { operands, range in
      for plane in range {
        let (image, filter) = plane.quotientAndRemainder(dividingBy: planes)
        let y: UnsafeMutablePointer<Element> = operands.output() + plane * geometry.outputSize
        let start = hasBias ? operands.input(2, as: Element.self)[filter] : Element.zero
        for index in 0..<geometry.outputSize { y[index] = start }
        let first = filter / filters * channels
        for channel in first..<(first + channels) {
          geometry.scatter(
            operands.input(0) + (image * input[1] + channel) * geometry.inputSize,
            operands.input(1) + (channel * filters + filter % filters) * geometry.taps, y)
        }
      }
    }
  }

  private struct Geometry {
    let input: [Int]
    let output: [Int]
    let kernel: [Int]
    let strides: [Int]
    let dilations: [Int]
    let pads: [Int]

    var inputSize: Int { input.reduce(1, *) }
    var outputSize: Int { output.reduce(1, *) }
    var taps: Int { kernel.reduce(1, *) }

    init(_ attributes: ConvTransposeAttributes, input: Shape, output: Shape) throws(OperatorFailure) {
      let window = attributes.window
      let limit = SpatialWindow.maximumRank
      if window.spatialRank > limit {
        throw .unsupported("\(window.spatialRank) spatial axes; at most \(limit) are supported")
      }
      func lead(_ values: [Int], _ fallback: Int) -> [Int] {
        Array(repeating: fallback, count: limit - values.count) + values
      }
      self.input = lead(Array(input.dimensions.dropFirst(2)), 1)
      self.output = lead(Array(output.dimensions.dropFirst(2)), 1)
      kernel = lead(window.kernel, 1)
      strides = lead(window.strides, 1)
      dilations = lead(window.dilations, 1)
      pads = lead((0..<window.spatialRank).map { attributes.pads($0, extent: input[$0 + 2]).begin }, 0)
    }

    /// Adds what one input channel gives to the output plane `y`.
    func scatter(
      _ x: UnsafePointer<Element>, _ weights: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>
    ) {
      for depth in 0..<input[0] {
        for line in 0..<input[1] {
          for slice in 0..<kernel[0] {
            let d = depth * strides[0] - pads[0] + slice * dilations[0]
            if d < 0 || d >= output[0] { continue }
            for row in 0..<kernel[1] {
              let h = line * strides[1] - pads[1] + row * dilations[1]
              if h < 0 || h >= output[1] { continue }
              scatterLine(
                x + (depth * input[1] + line) * input[2], weights + (slice * kernel[1] + row) * kernel[2],
                y + (d * output[1] + h) * output[2])
            }
          }
        }
      }
    }

    @inline(__always)
    private func scatterLine(
      _ x: UnsafePointer<Element>, _ weights: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>
    ) {
      for column in 0..<kernel[2] {
        let offset = column * dilations[2] - pads[2]
        for index in 0..<input[2] {
          let w = index * strides[2] + offset
          if w >= 0 && w < output[2] { y[w].add(weights[column], times: x[index]) }
        }
      }
    }
  }
}
