import GraphIR
import Tensors

/// A weight in 8 bits: w ≈ scale[channel] · (q − zeroPoint).
struct QuantizedWeight {
  /// int8 or uint8, in the weight's shape.
  var tensor: Tensor
  /// One for each output channel, or a single one.
  var scales: [Float]
  /// 0 for int8, 128 for uint8, so that zero weights stay exactly zero.
  var zeroPoint: Int

  func zeroPointTensor(_ shape: Shape) throws(TensorError) -> Tensor {
    if tensor.type == .int8 { return try Tensor(type: .int8, shape: shape) }
    return try Tensor(shape: shape, [UInt8](repeating: 128, count: shape.elementCount))
  }
}

/// Symmetric rounding to the nearest of 255 levels: scale = max|w| / 127, q = clip(round(w / scale), −127, 127).
enum WeightQuantizer {
  private static let largest: Float = 127

  /// - Parameters:
  ///   - weight: float32, finite.
  ///   - axis: of the output channels.
  ///   - minimumScales: lower bounds for the scales, one for each channel, for biases that must fit in int32.
  static func quantize(
    _ weight: Tensor, axis: Int, _ step: QuantizeStep, minimumScales: [Float]? = nil
  ) throws(TensorError) -> QuantizedWeight {
    let walk = ChannelWalk(weight.shape, axis: axis)
    let channels = weight.shape[axis]
    var maxima = [Float](repeating: 0, count: channels)
    let weights = weight.array(of: Float.self)
    for index in weights.indices {
      let channel = walk.channel(of: index)
      maxima[channel] = max(maxima[channel], abs(weights[index]))
    }
    if step.granularity == .tensor {
      maxima = [Float](repeating: maxima.max() ?? 0, count: channels)
    }
    var scales = maxima.map { maximum in
      let scale = maximum / largest
      return scale < .leastNormalMagnitude ? 1 : scale
    }
    if let minimumScales {
      for channel in scales.indices { scales[channel] = max(scales[channel], minimumScales[channel]) }
      if step.granularity == .tensor {
        scales = [Float](repeating: scales.max() ?? 1, count: channels)
      }
    }
    let zeroPoint = step.weights == .int8 ? 0 : 128
    var codes = [UInt8](repeating: 0, count: weights.count)
    for index in weights.indices {
      let code = (weights[index] / scales[walk.channel(of: index)]).rounded(.toNearestOrEven)
      codes[index] = UInt8(truncatingIfNeeded: Int(min(max(code, -largest), largest)) + zeroPoint)
    }
    let type: ElementType = step.weights == .int8 ? .int8 : .uint8
    let tensor = try codes.withUnsafeBufferPointer { codes throws(TensorError) in
      try Tensor(type: type, shape: weight.shape, copying: UnsafeRawBufferPointer(codes))
    }
    let kept = step.granularity == .tensor ? Array(scales.prefix(1)) : scales
    return QuantizedWeight(tensor: tensor, scales: kept, zeroPoint: zeroPoint)
  }

  /// The float weight that `quantized` stands for.
  static func dequantize(_ quantized: QuantizedWeight, axis: Int) throws(TensorError) -> Tensor {
    let walk = ChannelWalk(quantized.tensor.shape, axis: axis)
    let isSigned = quantized.tensor.type == .int8
    let scales = quantized.scales
    let values = quantized.tensor.withBytes { bytes in
      bytes.indices.map { index -> Float in
        let code = isSigned ? Int(Int8(bitPattern: bytes[index])) : Int(bytes[index]) - quantized.zeroPoint
        return Float(code) * scales[scales.count == 1 ? 0 : walk.channel(of: index)]
      }
    }
    return try Tensor(shape: quantized.tensor.shape, values)
  }
}

/// Which channel each element of a row-major tensor belongs to.
struct ChannelWalk {
  private let inner: Int
  private let channels: Int

  init(_ shape: Shape, axis: Int) {
    inner = max(shape.product(axis + 1..<shape.rank), 1)
    channels = max(shape[axis], 1)
  }

  func channel(of element: Int) -> Int { element / inner % channels }
}

extension Tensor {
  /// A float32 matrix with its axes exchanged.
  func transposedMatrix() throws(TensorError) -> Tensor {
    let (rows, columns) = (shape[0], shape[1])
    var result = try Tensor(type: .float32, shape: [columns, rows])
    result.withMutableElements(Float.self) { destination in
      withElements(Float.self) { source in
        for row in 0..<rows {
          for column in 0..<columns { destination[column * rows + row] = source[row * columns + column] }
        }
      }
    }
    return result
  }

  /// A float32 tensor times `factor`.
  func scaled(by factor: Float) -> Tensor {
    if factor == 1 { return self }
    var result = self
    result.withMutableElements(Float.self) { elements in
      for index in elements.indices { elements[index] *= factor }
    }
    return result
  }
}

extension GraphEditor {
  /// Adds `weight` as a constant with its DequantizeLinear before the layer's node; returns the float value.
  mutating func addDequantizedWeight(
    _ weight: QuantizedWeight, axis: Int, _ layer: WeightLayer
  ) throws(TensorError) -> ValueID {
    let isPerChannel = weight.scales.count > 1
    let shape: Shape = isPerChannel ? [weight.scales.count] : .scalar
    let codes = addConstant("\(layer.name).weight_q", weight.tensor)
    let scale = addConstant("\(layer.name).weight_scale", try Tensor(shape: shape, weight.scales))
    let zeroPoint = addConstant(
      "\(layer.name).weight_zero_point", try weight.zeroPointTensor(shape))
    let output = addValue("\(layer.name).weight_dq", type: .float32)
    insert(
      Node(
        name: "\(layer.name)/weight_dequantize", op: "DequantizeLinear", inputs: [codes, scale, zeroPoint],
        outputs: [output], attributes: isPerChannel ? ["axis": .int(axis)] : [:]), before: layer.node)
    return output
  }
}
