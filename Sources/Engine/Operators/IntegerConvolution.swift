import CKernels
import GraphIR
import Tensors

extension EngineTable {
  static let integerConvolutionOperators: [OperatorEntry] = [
    OperatorEntry("ConvInteger", types: .eightBit) { source in
      try IntegerConvolution(source, Roles(a: 1, b: 0, aZeroPoint: 3, bZeroPoint: 2), output: .integers)
    },
    OperatorEntry("QLinearConv", types: .eightBit) { source in
      let roles = Roles(
        a: 3, b: 0, aZeroPoint: 5, bZeroPoint: 2, aScale: 4, bScale: 1, cScale: 6, cZeroPoint: 7, bias: 8)
      return try IntegerConvolution(source, roles, output: .quantized)
    },
    OperatorEntry(FusedOperator.quantizedConv, types: .eightBit) { source in
      let roles = Roles(
        a: 3, b: 0, aZeroPoint: 5, bZeroPoint: 2, aScale: 4, bScale: 1, cScale: 7, cZeroPoint: 8, bias: 6)
      return try IntegerConvolution(
        source, roles, output: source.outputElement() == .float32 ? .floats : .quantized)
    },
  ]
}

/// `ConvInteger`, `QLinearConv` and the engine's own convolution of quantized operands: the filters are A, the
/// image's patches B of an exact int32 product. Padding is the input's zero point.
struct IntegerConvolution: ShapedOperator {
  let roles: EngineTable.Roles
  let output: IntegerMatMul.Output
  let weightSigned: Bool
  let inputSigned: Bool
  let activation: Activation?

  init(_ source: OperatorSource, _ roles: EngineTable.Roles, output: IntegerMatMul.Output) throws {
    self.roles = roles
    self.output = output
    weightSigned = try source.element(roles.a, in: .eightBit) == .int8
    inputSigned = try source.element(roles.b, in: .eightBit) == .int8
    if output == .quantized { try Self.checkOutput(source) }
    activation = try Activation(fusedInto: source.node)
  }

  private static func checkOutput(_ source: OperatorSource) throws {
    if let element = source.outputElement(), ![ElementType].eightBit.contains(element) {
      throw OperatorFailure.type(element)
    }
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let result = try request.output()
    if result.elementCount == 0 { return .nothing }
    let shape = try ConvolutionShape(
      request.node, input: try request.input(roles.b).shape, weight: try request.input(roles.a).shape,
      output: result.shape)
    let parameters = try parameters(request, filters: shape.filters * shape.groups)
    return try kernel(request, shape, parameters)
  }

  private func parameters(_ request: PrepareRequest, filters: Int) throws -> IntegerParameters {
    func source(_ input: Int?, _ counts: [Int]) throws -> IntegerParameters.Source? {
      guard let input, let type = request.optionalInput(input) else { return nil }
      if !counts.contains(type.elementCount) {
        throw OperatorFailure.unsupported("scales and zero points of shape \(type.shape)")
      }
      return IntegerParameters.Source(input: input, type: type)
    }
    var parameters = IntegerParameters()
    parameters.aZeroPoint = try source(roles.aZeroPoint, [1, filters])
    parameters.bZeroPoint = try source(roles.bZeroPoint, [1])
    parameters.aScale = try source(roles.aScale, [1, filters])
    parameters.bScale = try source(roles.bScale, [1])
    parameters.cScale = try source(roles.cScale, [1])
    parameters.cZeroPoint = try source(roles.cZeroPoint, [1])
    parameters.bias = try source(roles.bias, [filters])
    return parameters
  }

  private func kernel(_ request: PrepareRequest, _ shape: ConvolutionShape, _ parameters: IntegerParameters)
    throws -> Kernel
  {
    let table = Kernels.current
    let tile = PixelTile(shape, batch: shape.batch * shape.groups, threads: request.threads)
    let packedBytes = adze_gemm_i8_packed_bytes(Kernels.table, shape.depth, tile.maximumPixels)
    let columnsBytes = (shape.depth * tile.maximumPixels + 63) & ~63
    let format = outputFormat(request)
    let (roles, weightSigned, inputSigned) = (roles, weightSigned, inputSigned)
    let spatial = shape.window
    let channels = shape.channels
    let window = spatial.window2d(channels: channels)
    let pixels = shape.window.outputSize
    let imageBytes = shape.channels * shape.window.inputSize
    let activation = activation
    let hasPadding = request.hasInput(roles.bZeroPoint)
    let main = Kernel.Phase(pieces: tile.pieces) { operands, piece in
      let (image, part) = piece.quotientAndRemainder(dividingBy: tile.piecesPerImage)
      let group = image % shape.groups
      let rows = tile.rows(of: part)
      var window = window
      window.pad_top -= rows.lowerBound * window.stride_height
      window.output_height = rows.count
      let count = rows.count * window.output_width
      let columns = operands.threadScratch.assumingMemoryBound(to: UInt8.self)
      let packed = operands.threadScratch + columnsBytes
      let padding = hasPadding ? operands.rawInput(roles.bZeroPoint).load(as: UInt8.self) : 0
      let pixelsOfImage: UnsafePointer<UInt8> = operands.input(roles.b) + image * imageBytes
      if spatial.isFlat {
        table.im2col_8(&window, pixelsOfImage, padding, columns, 0, shape.depth)
      } else {
        spatial.patches(of: pixelsOfImage, channels: channels, lines: rows, padding: padding, columns)
      }
      let panels = (count - 1) / table.gemm_i8_panel + 1
      table.pack_b_i8(columns, inputSigned, count, 1, shape.depth, count, packed, 0, panels)
      let start = image * shape.filters * pixels + rows.lowerBound * window.output_width
      var gemm = adze_gemm_i8(
        rows: shape.filters, columns: count, depth: shape.depth, aSigned: weightSigned, bSigned: inputSigned,
        a: operands.rawInput(roles.a) + group * shape.filters * shape.depth, b: packed,
        c: operands.rawOutput() + start * format.width, output: format.kind)
      gemm.c_row_stride = pixels
      gemm.epilogue = parameters.epilogue(activation, operands)
      gemm.epilogue.row_bias = parameters.preparedBias(operands).map { $0 + group * shape.filters }
      gemm.row_offset = parameters.offsets(operands).map { $0 + group * shape.filters }
      parameters.apply(to: &gemm, operands, rowOffset: group * shape.filters)
      table.gemm_i8(&gemm, 0, shape.filters, 0, panels)
    }
    return Kernel(
      Kernels.name("conv_i8"), phases: [try parameters.prologue(), main], sharedScratch: parameters.byteCount,
      threadScratch: columnsBytes + packedBytes)
  }

  private func outputFormat(_ request: PrepareRequest) -> (kind: adze_i8_output, width: Int) {
    switch output {
    case .integers: (ADZE_I8_OUTPUT_I32, 4)
    case .floats: (ADZE_I8_OUTPUT_F32, 4)
    case .quantized: (request.outputs[0]?.element == .int8 ? ADZE_I8_OUTPUT_S8 : ADZE_I8_OUTPUT_U8, 1)
    }
  }
}

/// How the output rows of many images are cut so that the patches of one piece stay in the cache.
struct PixelTile {
  private let height: Int
  private let rowsPerPiece: Int
  let piecesPerImage: Int
  let pieces: Int
  let maximumPixels: Int

  init(_ shape: ConvolutionShape, batch: Int, threads: Int) {
    height = shape.window.output[0] * shape.window.output[1]
    let width = shape.window.output[2]
    var rows = max(1, PanelSplit.cacheBytes / max(1, shape.depth * width))
    if threads > 1 && batch < threads { rows = min(rows, max(1, height / (2 * threads))) }
    rowsPerPiece = min(rows, height)
    piecesPerImage = (height - 1) / rowsPerPiece + 1
    pieces = piecesPerImage * batch
    maximumPixels = rowsPerPiece * width
  }

  func rows(of piece: Int) -> Range<Int> {
    let start = piece * rowsPerPiece
    return start..<min(height, start + rowsPerPiece)
  }
}
