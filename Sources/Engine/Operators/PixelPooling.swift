import CKernels
import GraphIR
import Tensors

extension EngineTable {
  /// Operators on float32 images whose channels lie last.
  static let pixelOperators: [OperatorEntry] = [
    OperatorEntry(FusedOperator.convNHWC, types: .single, widensHalves: false) { try PixelConvolution($0) },
    OperatorEntry(FusedOperator.maxPoolNHWC, types: .single + .eightBit, widensHalves: false) { source in
      let attributes = try PoolAttributes(source.node)
      if source.element(0) != .float32 { return QuantizedPixelPool(attributes: attributes, kind: .maximum) }
      return PixelPool(attributes: attributes, kind: .maximum)
    },
    OperatorEntry(FusedOperator.averagePoolNHWC, types: .single, widensHalves: false) { source in
      PixelPool(attributes: try PoolAttributes(source.node), kind: .average)
    },
    OperatorEntry(FusedOperator.globalMaxPoolNHWC, types: .single, widensHalves: false) { _ in
      PixelPool(attributes: nil, kind: .maximum)
    },
    OperatorEntry(FusedOperator.globalAveragePoolNHWC, types: .single, widensHalves: false) { _ in
      PixelPool(attributes: nil, kind: .average)
    },
    OperatorEntry(FusedOperator.lrnNHWC, types: .single, widensHalves: false) { source in
      PixelResponseNormalization(attributes: try LRNAttributes(source.node))
    },
    OperatorEntry(FusedOperator.scaleShiftNHWC, types: .single, widensHalves: false) { source in
      PixelScaleShift(activation: try Activation(fusedInto: source.node))
    },
  ]
}

/// Pooling of float32 images whose channels lie last.
struct PixelPool: ShapedOperator {
  enum Kind { case maximum, average }

  /// nil: one window as large as the image.
  let attributes: PoolAttributes?
  let kind: Kind

  var writesPixels: Bool { true }
  func readsPixels(_ input: Int) -> Bool { true }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let input = try request.input(0).shape
    let channels = input[input.rank - 1]
    let window = try window(input.channelsFirst, output.channelsFirst, channels)
    let countsPadding = attributes?.countIncludePad ?? false
    let pads = try attributes.map { attributes in
      try SpatialWindow(attributes.window, input: input.channelsFirst, output: output.channelsFirst).padEnd
    }
    let pixel = request.pixelStrides.input(0) ?? channels
    let outputPixel = request.pixelStrides.output ?? channels
    let imageSize = window.height * window.width * pixel
    let table = Kernels.current
    let run = kind == .maximum ? table.max_pool_nhwc_f32 : table.average_pool_nhwc_f32
    let taps = window.kernel_height * window.kernel_width
    return Kernel(
      Kernels.name(kind == .maximum ? "max_pool_nhwc_f32" : "average_pool_nhwc_f32"),
      units: input[0] * window.output_height, costPerUnit: window.output_width * channels * taps / 8,
      threads: request.threads
    ) { operands, range in
      var pool = adze_pool2d_f32(
        window: window, x: operands.input(0), x_image_stride: imageSize, x_pixel_stride: pixel,
        y: operands.output(), y_pixel_stride: outputPixel, includes_padding: countsPadding,
        pad_bottom: pads?[1] ?? 0, pad_right: pads?[2] ?? 0)
      run(&pool, range.lowerBound, range.upperBound)
    }
  }

  func window(_ input: Shape, _ output: Shape, _ channels: Int) throws -> adze_window2d {
    if let attributes {
      return try SpatialWindow(attributes.window, input: input, output: output).window2d(channels: channels)
    }
    let (height, width) = input.rank == 3 ? (1, input[2]) : (input[2], input[3])
    return adze_window2d(
      channels: channels, height: height, width: width, kernel_height: height, kernel_width: width,
      stride_height: 1, stride_width: 1, dilation_height: 1, dilation_width: 1, pad_top: 0, pad_left: 0,
      output_height: 1, output_width: 1)
  }
}
