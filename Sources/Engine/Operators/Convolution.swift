import CKernels
import GraphIR
import Tensors

extension EngineTable {
  static let convolutionOperators: [OperatorEntry] = [
    OperatorEntry("Conv", types: .floats) { source in
      if source.element(0) == .float64 { return PlainConvolution<Double>() }
      return try ConvolutionOperator(source)
    },
    OperatorEntry(FusedOperator.conv, types: .single, widensHalves: false) { try ConvolutionOperator($0) },
    OperatorEntry("ConvTranspose", types: .floats) { source in
      if source.element(0) == .float64 { return PlainTransposedConvolution<Double>() }
      return TransposedConvolution()
    },
  ]
}

/// Sizes of a grouped convolution.
struct ConvolutionShape {
  let batch: Int
  let groups: Int
  /// Per group.
  let channels: Int
  let filters: Int
  let window: SpatialWindow

  init(_ node: Node, input: Shape, weight: Shape, output: Shape) throws {
    let attributes = try ConvAttributes(node, kernel: Array(weight.dimensions.dropFirst(2)))
    batch = input[0]
    groups = attributes.group
    channels = weight[1]
    filters = weight[0] / groups
    window = try SpatialWindow(attributes.window, input: input, output: output)
  }

  var depth: Int { channels * window.taps }
  var isDepthwise: Bool { channels == 1 && filters == 1 && groups > 1 }
}

/// `Conv` in float32, and `ai.adze.Conv`: with an activation.
struct ConvolutionOperator: ShapedOperator {
  let activation: Activation?

  init(_ source: OperatorSource) throws { activation = try Activation(fusedInto: source.node) }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    if output.elementCount == 0 { return .nothing }
    let shape = try ConvolutionShape(
      request.node, input: try request.input(0).shape, weight: try request.input(1).shape,
      output: output.shape)
    if !shape.window.isFlat {
      return try PlainConvolution<Float>(activation: activation).prepare(request)
    }
    if shape.isDepthwise { return depthwise(shape, hasBias: request.hasInput(2), request.threads) }
    return product(shape, hasBias: request.hasInput(2), request.threads)
  }

  /// Each group of each image is the product of the filters `[filters, channels * taps]` with the image's
  /// patches `[channels * taps, pixels]`. A piece packs some panels of patches and multiplies them.
  private func product(_ shape: ConvolutionShape, hasBias: Bool, _ threads: Int) -> Kernel {
    let table = Kernels.current
    let pixels = shape.window.outputSize
    let panelWidth = table.gemm_f32_panel
    let panels = (pixels - 1) / panelWidth + 1
    let depth = shape.depth
    let split = PanelSplit(
      panels: panels, panelBytes: panelWidth * depth * 4, batch: shape.batch * shape.groups, threads: threads)
    let window = shape.window.window2d(channels: shape.channels)
    let isPointwise = shape.window.isPointwise
    let (inputSize, filters) = (shape.channels * shape.window.inputSize, shape.filters)
    let groups = shape.groups
    let activation = activation
    return Kernel(
      Kernels.name(isPointwise ? "conv_1x1_f32" : "conv_f32"), pieces: split.pieces,
      threadScratch: split.panelsPerPiece * panelWidth * depth * 4
    ) { operands, piece in
      let (image, part) = piece.quotientAndRemainder(dividingBy: split.piecesPerImage)
      let range = split.range(of: part)
      let group = image % groups
      // Kernels address panels by their index in the whole matrix; only this piece's are in the scratch.
      let packed =
        operands.threadScratch.assumingMemoryBound(to: Float.self) - range.lowerBound * panelWidth * depth
      let x: UnsafePointer<Float> = operands.input(0) + image * inputSize
      if isPointwise {
        table.pack_b_f32(x, pixels, 1, depth, pixels, packed, range.lowerBound, range.upperBound)
      } else {
        var window = window
        table.im2col_pack_b_f32(&window, x, packed, range.lowerBound, range.upperBound)
      }
      var epilogue = adze_epilogue_f32(activation)
      if hasBias { epilogue.row_bias = operands.input(2) + group * filters }
      var gemm = adze_gemm_f32(
        m: filters, n: pixels, k: depth, a: operands.input(1) + group * filters * depth, a_row_stride: depth,
        a_column_stride: 1, b_packed: packed, c: operands.output() + image * filters * pixels,
        c_row_stride: pixels, accumulates: false, epilogue: epilogue)
      table.gemm_f32(&gemm, 0, filters, range.lowerBound, range.upperBound)
    }
  }

  private func depthwise(_ shape: ConvolutionShape, hasBias: Bool, _ threads: Int) -> Kernel {
    let table = Kernels.current
    let window = shape.window.window2d(channels: 1)
    let (inputSize, outputSize, taps) = (shape.window.inputSize, shape.window.outputSize, shape.window.taps)
    let channels = shape.groups
    let rows = shape.window.output[1]
    let activation = activation
    return Kernel(
      Kernels.name("conv_depthwise_f32"), units: shape.batch * channels, costPerUnit: outputSize * taps / 4,
      threads: threads
    ) { operands, range in
      var window = window
      for plane in range {
        let channel = plane % channels
        let y: UnsafeMutablePointer<Float> = operands.output() + plane * outputSize
        var (low, high) = (-Float.infinity, Float.infinity)
        if case .clamp(let minimum, let maximum)? = activation?.kind { (low, high) = (minimum, maximum) }
        table.depthwise_f32(
          &window, operands.input(0) + plane * inputSize, operands.input(1) + channel * taps,
          hasBias ? operands.input(2, as: Float.self)[channel] : 0, low, high, y, 0, rows)
        if case .function? = activation?.kind { activation?.apply(y, y, count: outputSize) }
      }
    }
  }
}

/// How the column panels of many products are cut into pieces whose packed panels stay in the cache.
struct PanelSplit {
  static let cacheBytes = 256 << 10

  let panels: Int
  let panelsPerPiece: Int
  let piecesPerImage: Int
  let pieces: Int

  init(panels: Int, panelBytes: Int, batch: Int, threads: Int) {
    self.panels = panels
    var wanted = max(1, Self.cacheBytes / max(1, panelBytes))
    if threads > 1 && batch < threads { wanted = min(wanted, max(1, panels / (2 * threads))) }
    panelsPerPiece = min(panels, wanted)
    piecesPerImage = (panels - 1) / panelsPerPiece + 1
    pieces = piecesPerImage * batch
  }

  func range(of piece: Int) -> Range<Int> {
    let start = piece * panelsPerPiece
    return start..<min(panels, start + panelsPerPiece)
  }
}
