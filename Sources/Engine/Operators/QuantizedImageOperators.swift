import CKernels
import GraphIR
import Tensors

extension EngineTable {
  /// Operators on 8-bit tensors that fusion makes of DequantizeLinear, others and QuantizeLinear.
  static let quantizedImageOperators: [OperatorEntry] = [
    OperatorEntry(FusedOperator.quantizedConvNHWC, types: .eightBit) { try PixelIntegerConvolution($0) },
    OperatorEntry(FusedOperator.quantizedAveragePoolNHWC, types: .eightBit) { source in
      QuantizedPixelPool(attributes: try PoolAttributes(source.node), kind: .average)
    },
    OperatorEntry(FusedOperator.quantizedGlobalAveragePoolNHWC, types: .eightBit) { _ in
      QuantizedPixelPool(attributes: nil, kind: .average)
    },
    OperatorEntry(FusedOperator.quantizedAdd, types: .eightBit) { source in
      QuantizedSum(activation: try Activation(fusedInto: source.node))
    },
    OperatorEntry(FusedOperator.lookup, types: .eightBit) { _ in LookupOperator() },
  ]
}

/// The constant scale and zero point of an operand.
struct ConstantQuantization {
  let scale: Float
  let zeroPoint: Int32

  /// Inputs `scale` and the one after it; an omitted zero point is 0.
  init(_ request: PrepareRequest, scale input: Int) throws {
    guard let scale = request.constant(input), scale.type == .float32, scale.elementCount == 1 else {
      throw OperatorFailure.notKnown(input: input)
    }
    self.scale = scale.array(of: Float.self)[0]
    if request.hasInput(input + 1) {
      guard let point = request.constant(input + 1) else { throw OperatorFailure.notKnown(input: input + 1) }
      zeroPoint = try point.firstInteger()
    } else {
      zeroPoint = 0
    }
  }
}

/// `ai.adze.QuantizedAdd`: what DequantizeLinear of both operands, Add, a clamp and QuantizeLinear give, bit by bit.
struct QuantizedSum: ShapedOperator {
  let activation: Activation?

  var inPlaceInputs: [Int] { [0, 3] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let (a, b, y) = (try request.input(0), try request.input(3), try request.output())
    let count = y.elementCount
    if count == 0 { return .nothing }
    let (aScale, bScale) = (
      try ConstantQuantization(request, scale: 1), try ConstantQuantization(request, scale: 4)
    )
    let yScale = try ConstantQuantization(request, scale: 6)
    let clamp = adze_epilogue_f32(activation)
    let sum = adze_add_i8(
      a_signed: a.element == .int8, b_signed: b.element == .int8, y_signed: y.element == .int8,
      a_zero_point: aScale.zeroPoint, b_zero_point: bScale.zeroPoint, y_zero_point: yScale.zeroPoint,
      a_scale: aScale.scale, b_scale: bScale.scale, y_scale: yScale.scale, clamps: clamp.clamps,
      minimum: clamp.minimum, maximum: clamp.maximum)
    let table = Kernels.current
    return Kernel(Kernels.name("add_i8"), units: count, costPerUnit: 1, threads: request.threads) {
      operands, range in
      var sum = sum
      table.add_i8(
        &sum, operands.rawInput(0) + range.lowerBound, operands.rawInput(3) + range.lowerBound,
        operands.rawOutput() + range.lowerBound, range.count)
    }
  }
}

/// `ai.adze.Lookup`: any function of one 8-bit tensor with one scale, as a table of 256 bytes (input 1).
struct LookupOperator: ShapedOperator {
  var inPlaceInputs: [Int] { [0] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let count = try request.output().elementCount
    if count == 0 { return .nothing }
    let table = Kernels.current
    return Kernel(Kernels.name("lookup_8"), units: count, costPerUnit: 1, threads: request.threads) {
      operands, range in
      table.lookup_8(
        operands.input(0) + range.lowerBound, operands.input(1), operands.output() + range.lowerBound,
        range.count)
    }
  }
}

/// Pooling of 8-bit images whose channels lie last. The average is that of the integers, scaled once: x, x_scale,
/// x_zero_point, y_scale, y_zero_point.
struct QuantizedPixelPool: ShapedOperator {
  /// nil: one window as large as the image.
  let attributes: PoolAttributes?
  let kind: PixelPool.Kind

  var writesPixels: Bool { true }
  func readsPixels(_ input: Int) -> Bool { input == 0 }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let input = try request.input(0)
    let channels = input.shape[input.shape.rank - 1]
    let window = try PixelPool(attributes: attributes, kind: kind).window(
      input.shape.channelsFirst, output.channelsFirst, channels)
    let pads = try attributes.map { attributes in
      try SpatialWindow(
        attributes.window, input: input.shape.channelsFirst, output: output.channelsFirst
      ).padEnd
    }
    let pixel = request.pixelStrides.input(0) ?? channels
    var pool = adze_pool2d_i8(
      window: window, x: UnsafeRawPointer(bitPattern: 64)!, is_signed: input.element == .int8,
      x_image_stride: window.height * window.width * pixel, x_pixel_stride: pixel,
      y: UnsafeMutableRawPointer(bitPattern: 64)!, y_pixel_stride: request.pixelStrides.output ?? channels,
      x_zero_point: 0, y_zero_point: 0,
      x_scale: 1, y_scale: 1, includes_padding: attributes?.countIncludePad ?? false,
      pad_bottom: pads?[1] ?? 0, pad_right: pads?[2] ?? 0)
    let table = Kernels.current
    var run = table.max_pool_nhwc_i8
    if kind == .average {
      let (x, y) = (
        try ConstantQuantization(request, scale: 1), try ConstantQuantization(request, scale: 3)
      )
      (pool.x_scale, pool.x_zero_point) = (x.scale, x.zeroPoint)
      (pool.y_scale, pool.y_zero_point) = (y.scale, y.zeroPoint)
      run = table.average_pool_nhwc_i8
    }
    let (description, function) = (pool, run)
    return Kernel(
      Kernels.name(kind == .maximum ? "max_pool_nhwc_i8" : "average_pool_nhwc_i8"),
      units: input.shape[0] * window.output_height,
      costPerUnit: window.output_width * channels * window.kernel_height * window.kernel_width / 16,
      threads: request.threads
    ) { operands, range in
      var pool = description
      pool.x = operands.rawInput(0)
      pool.y = operands.rawOutput()
      function(&pool, range.lowerBound, range.upperBound)
    }
  }
}
