import CKernels
import GraphIR
import Tensors

/// `ai.adze.ConvNHWC`: float32 convolution of images whose channels lie last, with a tensor to add and an activation.
struct PixelConvolution: ShapedOperator {
  let activation: Activation?
  private let readsChannelsFirst: Bool
  /// Where the channels lie that a shuffle would have brought into order; empty: in order.
  private let channelPlaces: [Int32]
  private let pointwise: FloatWeight
  /// By algorithm.
  private let packed = (0...Int(ADZE_CONV2D_DEPTHWISE.rawValue)).map { _ in PackedWeights() }

  init(_ source: OperatorSource) throws {
    activation = try Activation(fusedInto: source.node)
    pointwise = FloatWeight(source.options)
    readsChannelsFirst = source.node.attributes.int(FusedOperator.channelsFirst) ?? 0 != 0
    channelPlaces = Self.channelPlaces(source)
  }

  private static func channelPlaces(_ source: OperatorSource) -> [Int32] {
    guard let groups = source.node.attributes.int(FusedOperator.shuffle), groups > 1,
      let channels = source.inputs[0]?.tensor?.dimensions?.last?.extent
    else { return [] }
    return (0..<channels).map { Int32($0 % groups * (channels / groups) + $0 / groups) }
  }

  var writesPixels: Bool { true }
  func readsPixels(_ input: Int) -> Bool { input == 3 || input == 0 && !readsChannelsFirst }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let stored = try request.input(0).shape
    let shape = try ConvolutionShape(
      request.node, input: readsChannelsFirst ? stored : stored.channelsFirst,
      weight: try request.input(1).shape, output: output.channelsFirst)
    if let kernel = try sparseProduct(request, shape) { return kernel }
    var conv = description(shape, request)
    let table = Kernels.table
    // One image decides, so that its result does not depend on how many others come with it.
    conv.batch = 1
    let algorithm = adze_conv2d_f32_plan(table, &conv, ADZE_CONV2D_AUTO).algorithm
    conv.batch = shape.batch
    let plan = adze_conv2d_f32_plan(table, &conv, algorithm)
    let channelPlaces = channelPlaces
    guard let run = plan.run, let pack = plan.pack else {
      throw OperatorFailure.unsupported("a window that takes too much memory")
    }
    guard let weight = request.weight(1) else { throw OperatorFailure.notKnown(input: 1) }
    let filters = try packed[Int(algorithm.rawValue)].get {
      let buffer = try AlignedBuffer(byteCount: plan.packed_count * MemoryLayout<Float>.stride)
      weight.withElements(Float.self) {
        pack(
          &conv, $0.baseAddress!, buffer.bytes.baseAddress!.assumingMemoryBound(to: Float.self), 0,
          plan.panels)
      }
      return buffer
    }
    conv.weights_packed = UnsafePointer(filters.bytes.baseAddress!.assumingMemoryBound(to: Float.self))
    let split = PixelSplit(plan, shape, threads: request.threads)
    let (hasBias, hasResidual) = (request.hasInput(2), request.hasInput(3))
    return Kernel(
      Kernels.name(Self.name(algorithm, shape)), pieces: split.pieces,
      threadScratch: plan.scratch_count * MemoryLayout<Float>.stride
    ) { operands, piece in
      var conv = conv
      conv.x = operands.input(0)
      conv.y = operands.output()
      if hasBias { conv.epilogue.column_bias = operands.input(2) }
      if hasResidual { conv.residual = operands.input(3) }
      let (lines, panels) = split.part(piece)
      channelPlaces.withUnsafeBufferPointer { places in
        if !places.isEmpty { conv.x_channels = places.baseAddress }
        run(
          &conv, operands.threadScratch.assumingMemoryBound(to: Float.self), lines.lowerBound,
          lines.upperBound, panels.lowerBound, panels.upperBound)
      }
      withExtendedLifetime(filters) {}
    }
  }

  /// A 1 x 1 convolution as the product of all pixels with what of its filters is not zero; nil where multiplying by
  /// all of them is faster.
  private func sparseProduct(_ request: PrepareRequest, _ shape: ConvolutionShape) throws -> Kernel? {
    guard shape.window.isPointwise, shape.groups == 1, !readsChannelsFirst, channelPlaces.isEmpty,
      !request.hasInput(3), let weight = request.weight(1)
    else { return nil }
    var product = MatrixProduct(
      rows: shape.batch * shape.window.outputSize, columns: shape.filters, depth: shape.channels,
      batchOffsets: [(0, 0, 0)], bOffsets: [0], bIndex: [0])
    product.transposesB = true
    product.activation = activation
    if request.hasInput(2) { product.bias = .columns(input: 2) }
    product.aRowStride = request.pixelStrides.input(0)
    product.cRowStride = request.pixelStrides.output
    return try product.sparseKernel(pointwise, weight, threads: request.threads)
  }

  private static func name(_ algorithm: adze_conv2d_algorithm, _ shape: ConvolutionShape) -> String {
    switch algorithm {
    case ADZE_CONV2D_WINOGRAD: "conv2d_winograd_f32"
    case ADZE_CONV2D_DEPTHWISE: "conv2d_depthwise_f32"
    default: shape.window.isPointwise ? "conv2d_1x1_f32" : "conv2d_f32"
    }
  }

  /// All but the operands, which each run has its own of.
  private func description(_ shape: ConvolutionShape, _ request: PrepareRequest) -> adze_conv2d_f32 {
    let channels = shape.channels * shape.groups
    let filters = shape.filters * shape.groups
    let size = shape.window.inputSize
    let strides = request.pixelStrides
    let pixel = strides.input(0) ?? channels
    // Stands for operands until there are any.
    let none = UnsafeMutablePointer<Float>(bitPattern: 64)!
    return adze_conv2d_f32(
      window: shape.window.window2d(channels: shape.channels), batch: shape.batch, groups: shape.groups,
      filters: shape.filters, x: none, x_image_stride: pixel * size,
      x_pixel_stride: readsChannelsFirst ? 1 : pixel, x_channel_stride: readsChannelsFirst ? size : 1,
      x_channels: nil,
      weights_packed: none, y: none, y_pixel_stride: strides.output ?? filters, residual: nil,
      residual_pixel_stride: request.hasInput(3) ? strides.input(3) ?? filters : 0,
      epilogue: adze_epilogue_f32(activation))
  }
}
