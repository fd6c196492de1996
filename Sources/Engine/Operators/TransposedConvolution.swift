import CKernels
import GraphIR
import Tensors

/// Sizes of a grouped transposed convolution, up to three spatial axes.
struct TransposedConvolutionShape {
  let batch: Int
  let groups: Int
  /// Per group.
  let channels: Int
  let filters: Int
  /// Of the convolution that this is the transpose of: its output is what is read here, its input what is written.
  let window: SpatialWindow

  init(_ request: PrepareRequest) throws {
    let (input, weight) = (try request.input(0).shape, try request.input(1).shape)
    let attributes = try ConvTransposeAttributes(request.node, kernel: Array(weight.dimensions.dropFirst(2)))
    batch = input[0]
    groups = attributes.group
    channels = input[1] / groups
    filters = weight[1]
    window = try SpatialWindow(transposed: attributes, read: input, written: request.output().shape)
  }

  var planes: Int { batch * groups * filters }

  /// Sets an output plane to its filter's bias, which is input 2 if there is one.
  func begin<Element: ArithmeticElement>(_ plane: Int, _ operands: KernelOperands, _: Element.Type) {
    let target: UnsafeMutablePointer<Element> = operands.output() + plane * window.inputSize
    let bias = operands.hasInput(2) ? operands.input(2, as: Element.self)[plane % (groups * filters)] : .zero
    target.update(repeating: bias, count: window.inputSize)
  }

  /// Adds `values`, one for each of the positions `range` that are read, where tap `tap` writes them.
  @inline(__always)
  func scatter<Element: ArithmeticElement>(
    _ values: UnsafePointer<Element>, times factor: Element, _ range: Range<Int>, tap: Int,
    to plane: UnsafeMutablePointer<Element>
  ) {
    let (column, row) = (tap % window.kernel[2], tap / window.kernel[2] % window.kernel[1])
    let slice = tap / (window.kernel[2] * window.kernel[1])
    let (slices, rows) = (window.inside(0, tap: slice), window.inside(1, tap: row))
    let columns = window.inside(2, tap: column)
    let width = window.output[2]
    let stride = window.strides[2]
    var position = range.lowerBound
    while position < range.upperBound {
      let (line, first) = position.quotientAndRemainder(dividingBy: width)
      let end = min(range.upperBound, position - first + width)
      let (z, y) = line.quotientAndRemainder(dividingBy: window.output[1])
      if slices.contains(z) && rows.contains(y) {
        let lowest = max(first, columns.lowerBound)
        let count = min(end - position + first, columns.upperBound) - lowest
        let target =
          (window.position(0, z, slice) * window.input[1] + window.position(1, y, row)) * window.input[2]
          + window.position(2, lowest, column)
        let source = values + (position - range.lowerBound + lowest - first)
        for index in 0..<max(count, 0) { plane[target + index * stride].add(factor, times: source[index]) }
      }
      position = end
    }
  }
}

/// `ConvTranspose` in float32: the product of the filters, transposed, with blocks of pixels, whose rows, one for each
/// filter and tap, are added where they belong (col2im).
///
/// Blocks depend on shapes alone, and a filter's plane is written by one piece, so that results do not depend on the
/// number of threads.
struct TransposedConvolution: ShapedOperator {
  /// Rows of a product: filters of several taps each.
  private static let rows = 128
  /// Numbers of a block of pixels and of its product.
  private static let blockCount = 1 << 17
  private static let mostTaps = 1024

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    if try request.output().elementCount == 0 { return .nothing }
    let shape = try TransposedConvolutionShape(request)
    // A product of single rows would only copy them.
    if shape.channels < 2 || shape.window.taps > Self.mostTaps || shape.window.outputSize == 0 {
      return try PlainTransposedConvolution<Float>().prepare(request)
    }
    let (taps, pixels) = (shape.window.taps, shape.window.outputSize)
    let filtersAtOnce = max(1, Self.rows / taps)
    let panel = Kernels.current.gemm_f32_panel
    let panels = (pixels - 1) / panel + 1
    let blockPanels = min(panels, max(1, Self.blockCount / (shape.channels + Self.rows) / panel))
    let packedCount = blockPanels * panel * shape.channels
    return Kernel(
      Kernels.name("conv_transpose_f32"), units: shape.planes,
      costPerUnit: shape.channels * pixels * taps / 8,
      threads: request.threads,
      threadScratch: (packedCount + blockPanels * panel * filtersAtOnce * taps) * MemoryLayout<Float>.stride
    ) { operands, range in
      let packed = operands.threadScratch.assumingMemoryBound(to: Float.self)
      let block = Block(
        shape: shape, packed: packed, product: packed + packedCount, width: blockPanels * panel)
      for plane in range { shape.begin(plane, operands, Float.self) }
      // The planes of one group of one image share its pixels.
      var first = range.lowerBound
      while first < range.upperBound {
        let end = min(range.upperBound, (first / shape.filters + 1) * shape.filters)
        for start in stride(from: 0, to: panels, by: blockPanels) {
          let part = start..<min(panels, start + blockPanels)
          block.pack(operands, group: first / shape.filters, part)
          for lowest in stride(from: first, to: end, by: filtersAtOnce) {
            block.add(operands, planes: lowest..<min(end, lowest + filtersAtOnce), part)
          }
        }
        first = end
      }
    }
  }

  /// Some pixels of one group of one image, and their product with some filters.
  private struct Block {
    let shape: TransposedConvolutionShape
    let packed: UnsafeMutablePointer<Float>
    let product: UnsafeMutablePointer<Float>
    /// Pixels at most.
    let width: Int

    private var pixels: Int { shape.window.outputSize }

    /// The kernels address panels by their index among those of all pixels; only this block's are in memory.
    private func panels(from first: Int) -> UnsafeMutablePointer<Float> {
      packed - first * Kernels.current.gemm_f32_panel * shape.channels
    }

    /// - Parameter group: of all images' groups.
    func pack(_ operands: KernelOperands, group: Int, _ part: Range<Int>) {
      Kernels.current.pack_b_f32(
        operands.input(0) + group * shape.channels * pixels, pixels, 1, shape.channels, pixels,
        panels(from: part.lowerBound), part.lowerBound, part.upperBound)
    }

    func add(_ operands: KernelOperands, planes: Range<Int>, _ part: Range<Int>) {
      let taps = shape.window.taps
      let rowsOfGroup = shape.filters * taps
      let group = planes.lowerBound / shape.filters
      let filter = planes.lowerBound % shape.filters
      let weights: UnsafePointer<Float> =
        operands.input(1) + group % shape.groups * shape.channels * rowsOfGroup + filter * taps
      let panel = Kernels.current.gemm_f32_panel
      let range = part.lowerBound * panel..<min(part.upperBound * panel, pixels)
      var gemm = adze_gemm_f32(
        m: planes.count * taps, n: pixels, k: shape.channels, a: weights, a_row_stride: 1,
        a_column_stride: rowsOfGroup, b_packed: panels(from: part.lowerBound),
        c: product - range.lowerBound, c_row_stride: width, accumulates: false,
        epilogue: .none)
      Kernels.current.gemm_f32(&gemm, 0, planes.count * taps, part.lowerBound, part.upperBound)
      for (index, plane) in planes.enumerated() {
        let target: UnsafeMutablePointer<Float> = operands.output() + plane * shape.window.inputSize
        for tap in 0..<taps {
          shape.scatter(product + (index * taps + tap) * width, times: 1, range, tap: tap, to: target)
        }
      }
    }
  }
}

/// `ConvTranspose` with plain loops: float64, and groups of one channel.
struct PlainTransposedConvolution<Element: ArithmeticElement>: ShapedOperator {
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    if try request.output().elementCount == 0 { return .nothing }
    let shape = try TransposedConvolutionShape(request)
    let (window, channels) = (shape.window, shape.channels)
    return Kernel(
      "conv_transpose", units: shape.planes, costPerUnit: channels * window.outputSize * window.taps,
      threads: request.threads
    ) { operands, range in
      for plane in range {
        let (group, filter) = plane.quotientAndRemainder(dividingBy: shape.filters)
        let y: UnsafeMutablePointer<Element> = operands.output() + plane * window.inputSize
        shape.begin(plane, operands, Element.self)
        for channel in 0..<channels {
          let x: UnsafePointer<Element> = operands.input(0) + (group * channels + channel) * window.outputSize
          let weights: UnsafePointer<Element> =
            operands.input(1)
            + ((group % shape.groups * channels + channel) * shape.filters + filter) * window.taps
          for tap in 0..<window.taps {
            shape.scatter(x, times: weights[tap], 0..<window.outputSize, tap: tap, to: y)
          }
        }
      }
    }
  }
}
