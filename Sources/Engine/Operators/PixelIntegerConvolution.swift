import CKernels
import GraphIR
import Tensors

/// `ai.adze.QuantizedConvNHWC`: convolution of 8-bit images whose channels lie last, exact in int32, then scaled and
/// rounded to 8 bits or to float32. All scales and zero points are constants.
struct PixelIntegerConvolution: ShapedOperator {
  let activation: Activation?
  private let readsChannelsFirst: Bool
  private let packed = PackedWeights()

  init(_ source: OperatorSource) throws {
    activation = try Activation(fusedInto: source.node)
    readsChannelsFirst = source.node.attributes.int(FusedOperator.channelsFirst) ?? 0 != 0
  }

  var writesPixels: Bool { true }
  func readsPixels(_ input: Int) -> Bool { input == 0 && !readsChannelsFirst }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    if output.shape.elementCount == 0 { return .nothing }
    let stored = try request.input(0)
    let shape = try ConvolutionShape(
      request.node, input: readsChannelsFirst ? stored.shape : stored.shape.channelsFirst,
      weight: try request.input(3).shape, output: output.shape.channelsFirst)
    let parameters = try PixelConvolutionParameters(request, filters: shape.filters * shape.groups)
    var conv = description(shape, stored.element, output.element, parameters)
    let pixel = request.pixelStrides.input(0) ?? shape.channels * shape.groups
    conv.x_image_stride = pixel * shape.window.inputSize
    conv.x_pixel_stride = readsChannelsFirst ? 1 : pixel
    conv.y_pixel_stride = request.pixelStrides.output ?? shape.filters * shape.groups
    let layer = conv
    let plan = withUnsafePointer(to: conv) { adze_conv2d_i8_plan_for(Kernels.table, $0) }
    guard let run = plan.run else { throw OperatorFailure.unsupported("a window that takes too much memory") }
    guard let weight = request.weight(3) else { throw OperatorFailure.notKnown(input: 3) }
    let filters = try packed.get { try Self.pack(weight, layer, plan) }
    let split = PixelSplit(
      adze_conv2d_plan(
        algorithm: plan.algorithm, lines: plan.lines, panels: plan.panels, packed_count: 0, scratch_count: 0,
        pack: nil, run: nil), shape, threads: request.threads)
    return Kernel(
      Kernels.name(Self.name(plan.algorithm, shape)), pieces: split.pieces, threadScratch: plan.scratch_bytes
    ) { operands, piece in
      var conv = layer
      conv.x = operands.rawInput(0)
      conv.y = operands.rawOutput()
      conv.weights_packed = UnsafeRawPointer(filters.bytes.baseAddress!)
      parameters.apply(to: &conv)
      let (lines, panels) = split.part(piece)
      run(
        &conv, operands.threadScratch, lines.lowerBound, lines.upperBound, panels.lowerBound,
        panels.upperBound)
    }
  }

  private static func name(_ algorithm: adze_conv2d_algorithm, _ shape: ConvolutionShape) -> String {
    if algorithm == ADZE_CONV2D_DEPTHWISE { return "conv2d_depthwise_i8" }
    return shape.window.isPointwise ? "conv2d_1x1_i8" : "conv2d_i8"
  }

  private static func pack(_ weight: Tensor, _ conv: adze_conv2d_i8, _ plan: adze_conv2d_i8_plan) throws
    -> AlignedBuffer
  {
    let buffer = try AlignedBuffer(byteCount: plan.packed_bytes)
    let arranged = try AlignedBuffer(byteCount: plan.arranged_bytes)
    var (conv, plan) = (conv, plan)
    weight.withBytes {
      adze_conv2d_i8_pack(
        Kernels.table, &conv, &plan, $0.baseAddress!, weight.type == .int8, arranged.bytes.baseAddress!,
        buffer.bytes.baseAddress!)
    }
    return buffer
  }

  /// All but the operands, which each run has its own of.
  private func description(
    _ shape: ConvolutionShape, _ input: ElementType, _ output: ElementType,
    _ parameters: PixelConvolutionParameters
  ) -> adze_conv2d_i8 {
    let channels = shape.channels * shape.groups
    let size = shape.window.inputSize
    // Stands for operands until there are any.
    let none = UnsafeMutableRawPointer(bitPattern: 64)!
    var epilogue = adze_epilogue_f32(activation)
    epilogue.minimum /= parameters.resultScale
    epilogue.maximum /= parameters.resultScale
    let format =
      output == .float32 ? ADZE_I8_OUTPUT_F32 : output == .int8 ? ADZE_I8_OUTPUT_S8 : ADZE_I8_OUTPUT_U8
    return adze_conv2d_i8(
      window: shape.window.window2d(channels: shape.channels), batch: shape.batch, groups: shape.groups,
      filters: shape.filters, x: UnsafeRawPointer(none), x_signed: input == .int8,
      x_zero_point: parameters.inputZeroPoint, x_image_stride: channels * size,
      x_pixel_stride: readsChannelsFirst ? 1 : channels, x_channel_stride: readsChannelsFirst ? size : 1,
      weights_packed: UnsafeRawPointer(none), bias: nil, output: format, y: none,
      y_pixel_stride: shape.filters * shape.groups, scale: nil, scale_stride: 1, epilogue: epilogue,
      y_zero_point: parameters.resultZeroPoint)
  }
}

/// The constants of a quantized convolution as its kernel takes them.
private struct PixelConvolutionParameters {
  let inputZeroPoint: Int32
  let resultZeroPoint: Int32
  /// 1 when the result is float32.
  let resultScale: Float
  /// One for each filter, as onnxruntime combines them: x's times the filter's, divided by the result's.
  private let scales: AlignedBuffer
  /// In units of the sums when it is int32, of the result's scale when it is float32.
  private let bias: AlignedBuffer?
  private let hasIntegerBias: Bool

  init(_ request: PrepareRequest, filters: Int) throws {
    func constant(_ input: Int) throws -> Tensor? {
      if !request.hasInput(input) { return nil }
      guard let tensor = request.constant(input) else { throw OperatorFailure.notKnown(input: input) }
      return tensor
    }
    func zeroPoint(_ input: Int) throws -> Int32 {
      guard let tensor = try constant(input), tensor.elementCount > 0 else { return 0 }
      return try tensor.firstInteger()
    }
    func scale(_ input: Int) throws -> [Float] { try constant(input)?.array(of: Float.self) ?? [1] }
    inputZeroPoint = try zeroPoint(2)
    resultZeroPoint = try zeroPoint(8)
    resultScale = try scale(7)[0]
    let (input, weight) = (try scale(1)[0], try scale(4))
    scales = try AlignedBuffer(byteCount: filters * 4)
    let values = scales.bytes.assumingMemoryBound(to: Float.self)
    for filter in 0..<filters {
      values[filter] = input * weight[weight.count == 1 ? 0 : filter] / resultScale
    }
    guard let tensor = try constant(6) else {
      bias = nil
      hasIntegerBias = false
      return
    }
    let buffer = try AlignedBuffer(byteCount: filters * 4)
    hasIntegerBias = tensor.type == .int32
    if hasIntegerBias {
      tensor.withBytes { buffer.bytes.copyMemory(from: $0) }
    } else {
      let floats = buffer.bytes.assumingMemoryBound(to: Float.self)
      for (filter, value) in tensor.array(of: Float.self).enumerated() {
        floats[filter] = value / resultScale
      }
    }
    bias = buffer
  }

  func apply(to conv: inout adze_conv2d_i8) {
    conv.scale = UnsafePointer(scales.bytes.baseAddress!.assumingMemoryBound(to: Float.self))
    guard let bias else { return }
    if hasIntegerBias {
      conv.bias = UnsafePointer(bias.bytes.baseAddress!.assumingMemoryBound(to: Int32.self))
    } else {
      conv.epilogue.column_bias = UnsafePointer(bias.bytes.baseAddress!.assumingMemoryBound(to: Float.self))
    }
  }
}

extension Tensor {
  /// The first element of a tensor of quantized integers.
  func firstInteger() throws(OperatorFailure) -> Int32 {
    let elements = try QuantizedElements(type)
    return withBytes { elements.read($0.baseAddress!, 0) }
  }
}
