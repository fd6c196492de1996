import CKernels
import GraphIR
import Tensors

/// `ai.adze.ConvNHWC`: float32 convolution of images whose channels lie last, with a tensor to add and an activation.
struct PixelConvolution: ShapedOperator {
  let activation: Activation?
  private let readsChannelsFirst: Bool
  private let pointwise: FloatWeight
  /// By algorithm.
  private let packed = (0...Int(ADZE_CONV2D_DEPTHWISE.rawValue)).map { _ in PackedWeights() }

  init(_ node: Node, _ options: CompileOptions) throws {
    activation = try Activation(fusedInto: node)
    pointwise = FloatWeight(options)
    readsChannelsFirst = node.attributes.int(FusedOperator.channelsFirst) ?? 0 != 0
  }

  var writesPixels: Bool { true }
  func readsPixels(_ input: Int) -> Bool { input == 3 || input == 0 && !readsChannelsFirst }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    guard let weight = request.weight(1) else { throw OperatorFailure.notKnown(input: 1) }
    if let kernel = try sparseProduct(request, weight, output) { return kernel }
    var layer = try layer(
      request.node, input: try request.input(0).shape, weight: weight, output: output,
      pixelStrides: request.pixelStrides)
    layer.conv.residual_pixel_stride = request.pixelStrides.input(3) ?? output[output.rank - 1]
    let split = PixelSplit(layer.plan, layer.shape, threads: request.threads)
    let (hasBias, hasResidual) = (request.hasInput(2), request.hasInput(3))
    return Kernel(
      Kernels.name(layer.name), pieces: split.pieces, threadScratch: layer.scratchBytes
    ) { [layer] operands, piece in
      var conv = layer.conv
      conv.x = operands.input(0)
      conv.y = operands.output()
      if hasBias { conv.epilogue.column_bias = operands.input(2) }
      if hasResidual { conv.residual = operands.input(3) }
      let (lines, panels) = split.part(piece)
      layer.run(&conv, scratch: operands.threadScratch, lines: lines, panels: panels)
    }
  }

  /// The convolution for one size of images, its filters packed.
  /// - Parameters:
  ///   - input: `[batch, d1 …, channels]`, or with the channels first when they are read so.
  ///   - output: `[batch, d1 …, filters]`
  func layer(
    _ node: Node, input: Shape, weight: Tensor, output: Shape, pixelStrides: PixelStrides = PixelStrides()
  ) throws -> PixelLayer {
    let shape = try ConvolutionShape(
      node, input: readsChannelsFirst ? input : input.channelsFirst, weight: weight.shape,
      output: output.channelsFirst)
    var conv = description(shape, pixelStrides)
    let table = Kernels.table
    // One image decides, so that its result does not depend on how many others come with it.
    conv.batch = 1
    let algorithm = adze_conv2d_f32_plan(table, &conv, ADZE_CONV2D_AUTO).algorithm
    conv.batch = shape.batch
    let plan = adze_conv2d_f32_plan(table, &conv, algorithm)
    guard let run = plan.run, let pack = plan.pack else {
      throw OperatorFailure.unsupported("a window that takes too much memory")
    }
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
    return PixelLayer(
      conv: conv, shape: shape, plan: plan, kernel: run, filters: filters,
      channelPlaces: channelPlaces(node, channels: shape.channels * shape.groups))
  }

  private func channelPlaces(_ node: Node, channels: Int) -> [Int32] {
    guard let groups = node.attributes.int(FusedOperator.shuffle), groups > 1 else { return [] }
    return (0..<channels).map { Int32($0 % groups * (channels / groups) + $0 / groups) }
  }

  /// A 1 x 1 convolution as the product of all pixels with what of its filters is not zero; nil where multiplying by
  /// all of them is faster.
  private func sparseProduct(_ request: PrepareRequest, _ weight: Tensor, _ output: Shape) throws -> Kernel? {
    guard !readsChannelsFirst, !request.hasInput(3),
      request.node.attributes.int(FusedOperator.shuffle) ?? 1 <= 1
    else { return nil }
    let shape = try ConvolutionShape(
      request.node, input: try request.input(0).shape.channelsFirst, weight: weight.shape,
      output: output.channelsFirst)
    if !shape.window.isPointwise || shape.groups != 1 { return nil }
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

  /// All but the operands, which each run has its own of.
  private func description(_ shape: ConvolutionShape, _ strides: PixelStrides) -> adze_conv2d_f32 {
    let channels = shape.channels * shape.groups
    let filters = shape.filters * shape.groups
    let size = shape.window.inputSize
    let pixel = strides.input(0) ?? channels
    // Stands for operands until there are any.
    let none = UnsafeMutablePointer<Float>(bitPattern: 64)!
    return adze_conv2d_f32(
      window: shape.window.window2d(channels: shape.channels), batch: shape.batch, groups: shape.groups,
      filters: shape.filters, x: none, x_image_stride: pixel * size,
      x_pixel_stride: readsChannelsFirst ? 1 : pixel, x_channel_stride: readsChannelsFirst ? size : 1,
      x_channels: nil, weights_packed: none, y: none, y_pixel_stride: strides.output ?? filters,
      residual: nil, residual_pixel_stride: 0, epilogue: adze_epilogue_f32(activation))
  }
}

/// A convolution with all numbers of one size of images; only its operands are open.
struct PixelLayer {
  var conv: adze_conv2d_f32
  let shape: ConvolutionShape
  let plan: adze_conv2d_plan
  let kernel: adze_conv2d_f32_fn
  /// What `conv` points into.
  let filters: AlignedBuffer
  /// Where the channels lie that a shuffle would have brought into order; empty: in order.
  let channelPlaces: [Int32]

  var scratchBytes: Int { plan.scratch_count * MemoryLayout<Float>.stride }

  /// Rows of one image, on which those of its input depend.
  var height: Int { shape.window.output[1] }

  var name: String {
    switch plan.algorithm {
    case ADZE_CONV2D_WINOGRAD: "conv2d_winograd_f32"
    case ADZE_CONV2D_DEPTHWISE: "conv2d_depthwise_f32"
    default: shape.window.isPointwise ? "conv2d_1x1_f32" : "conv2d_f32"
    }
  }

  /// - Parameter conv: of this layer, with operands.
  @inline(__always)
  func run(
    _ conv: inout adze_conv2d_f32, scratch: UnsafeMutableRawPointer, lines: Range<Int>, panels: Range<Int>
  ) {
    channelPlaces.withUnsafeBufferPointer { places in
      if !places.isEmpty { conv.x_channels = places.baseAddress }
      kernel(
        &conv, scratch.assumingMemoryBound(to: Float.self), lines.lowerBound, lines.upperBound,
        panels.lowerBound, panels.upperBound)
    }
    withExtendedLifetime(filters) {}
  }

  /// The input rows under output rows `lines`.
  func rowsUnder(_ lines: Range<Int>) -> Range<Int> {
    if lines.isEmpty { return 0..<0 }
    let window = shape.window
    let first = window.position(1, lines.lowerBound, 0)
    let end = window.position(1, lines.upperBound - 1, window.kernel[1] - 1) + 1
    let low = min(max(0, first), window.input[1])
    return low..<max(low, min(end, window.input[1]))
  }
}

/// How lines and panels of filters of a convolution are cut into pieces: by lines as long as each piece has enough
/// pixels to use the filters that it reads, then by panels too.
struct PixelSplit {
  /// Multiplications below which a piece costs more to hand out than it gains.
  private static let smallestPiece = 1 << 18

  private let lines: Int
  private let panels: Int
  private let linesPerPart: Int
  private let panelsPerPart: Int
  private let panelParts: Int
  let pieces: Int

  init(_ plan: adze_conv2d_plan, _ shape: ConvolutionShape, threads: Int) {
    lines = plan.lines
    panels = plan.panels
    let work = shape.batch * shape.window.outputSize * shape.depth * shape.filters * shape.groups
    let wanted = threads == 1 ? 1 : min(threads * WorkSplit.piecesPerThread, work / Self.smallestPiece + 1)
    let width = shape.window.output[2]
    let block: Int
    switch plan.algorithm {
    case ADZE_CONV2D_WINOGRAD: block = max(1, 32 / ((width + 3) / 4))
    case ADZE_CONV2D_DEPTHWISE: block = 1
    default: block = max(1, 224 / max(1, width))
    }
    let blocks = (lines - 1) / block + 1
    let lineParts = min(blocks, wanted)
    linesPerPart = ((blocks - 1) / lineParts + 1) * block
    let wantedPanels = min(panels, (wanted - 1) / lineParts + 1)
    panelsPerPart = (panels - 1) / wantedPanels + 1
    panelParts = (panels - 1) / panelsPerPart + 1
    pieces = panelParts * ((lines - 1) / linesPerPart + 1)
  }

  func part(_ piece: Int) -> (lines: Range<Int>, panels: Range<Int>) {
    let (line, panel) = piece.quotientAndRemainder(dividingBy: panelParts)
    let (firstLine, firstPanel) = (line * linesPerPart, panel * panelsPerPart)
    return (
      firstLine..<min(lines, firstLine + linesPerPart), firstPanel..<min(panels, firstPanel + panelsPerPart)
    )
  }
}
