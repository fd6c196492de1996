import Tensors

/// Weights stored as shorter floating-point numbers, which a Cast or DequantizeLinear makes float32 again.
enum FloatStorage: String, Sendable, CaseIterable {
  /// float16. What is larger than its largest number, 65504, becomes that; subnormals are kept.
  case fp16
  /// bfloat16, rounded to nearest.
  case bf16
  /// float8e4m3fn times a scale: the largest weight of a channel becomes 448 (Micikevicius et al., "FP8 formats for deep
  /// learning", 2022).
  case fp8

  /// The largest number of float8e4m3fn.
  private static let largestFloat8: Float = 448
  /// The largest finite bfloat16.
  private static let largestBrainFloat = Float(bitPattern: 0x7F7F_0000)

  var storage: ElementType {
    switch self {
    case .fp16: .float16
    case .bf16: .bfloat16
    case .fp8: .float8e4m3fn
    }
  }

  /// - Parameters:
  ///   - weight: float32. Infinities become the largest numbers, NaN stays.
  ///   - channelAxis: fp8 gets a scale for each channel of this axis; nil: one for all.
  func code(_ weight: Tensor, channelAxis: Int?) throws(TensorError) -> CodedWeight {
    var codes = try Tensor(type: storage, shape: weight.shape)
    let groups: ScaleGroups = channelAxis == nil ? .tensor : .channel
    var scales: [Float] = []
    if self == .fp8 { scales = Self.float8Scales(weight, channelAxis) }
    let walk = channelAxis.map { ChannelWalk(weight.shape, axis: $0) }
    weight.withElements(Float.self) { weights in
      codes.withMutableBytes { bytes in
        for (index, value) in weights.enumerated() {
          switch self {
          case .fp16:
            bytes.storeBytes(of: Self.float16(value).bitPattern, toByteOffset: 2 * index, as: UInt16.self)
          case .bf16:
            bytes.storeBytes(of: Self.brainFloat(value), toByteOffset: 2 * index, as: UInt16.self)
          case .fp8:
            bytes[index] = Self.float8(value / scales[walk?.channel(of: index) ?? 0])
          }
        }
      }
    }
    return CodedWeight(
      storage: storage, codes: codes, groups: groups, scales: scales.map { GridScale(scale: $0) })
  }

  /// The numbers of a float16, bfloat16 or 8-bit floating-point tensor, without its scales.
  /// - Throws: `TensorError.typeMismatch` for other types.
  static func numbers(_ codes: Tensor) throws(TensorError) -> [Float] {
    if codes.type == .float16 { return codes.withElements(Float16.self) { $0.map { Float($0) } } }
    if codes.type == .bfloat16 {
      return codes.withBytes { bytes in
        (0..<codes.elementCount).map {
          LowPrecision.float(bfloat16: bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))
        }
      }
    }
    guard codes.type.bitWidth == 8, let table = LowPrecision.table(codes.type) else {
      throw .typeMismatch(expected: .float8e4m3fn, actual: codes.type)
    }
    return codes.withBytes { bytes in bytes.map { table[Int($0)] } }
  }

  private static func float16(_ value: Float) -> Float16 {
    let largest = Float(Float16.greatestFiniteMagnitude)
    return value.isNaN ? .nan : Float16(min(max(value, -largest), largest))
  }

  private static func brainFloat(_ value: Float) -> UInt16 {
    if value.isNaN { return LowPrecision.bfloat16(value) }
    return LowPrecision.bfloat16(min(max(value, -largestBrainFloat), largestBrainFloat))
  }

  private static func float8(_ value: Float) -> UInt8 {
    LowPrecision.code(.float8e4m3fn, value, saturate: true) ?? 0
  }

  /// max|w| / 448 of each channel, 1 where that is zero.
  private static func float8Scales(_ weight: Tensor, _ axis: Int?) -> [Float] {
    let walk = axis.map { ChannelWalk(weight.shape, axis: $0) }
    var largest = [Float](repeating: 0, count: axis.map { weight.shape[$0] } ?? 1)
    weight.withElements(Float.self) { weights in
      for (index, value) in weights.enumerated() where value.isFinite {
        let channel = walk?.channel(of: index) ?? 0
        largest[channel] = max(largest[channel], abs(value))
      }
    }
    return largest.map { $0 / largestFloat8 < .leastNormalMagnitude ? 1 : $0 / largestFloat8 }
  }
}
