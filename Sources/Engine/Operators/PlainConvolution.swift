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
