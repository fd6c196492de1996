import Tensors

/// Scale and zero point of an activation in whole numbers: x ≈ scale · (q − zeroPoint).
struct ActivationParameters: Equatable {
  var type: QuantizeStep.ActivationType
  var scale: Float
  var zeroPoint: Int32

  /// Over `range` widened to hold zero, which must be exact for padding and for pruned inputs. Unsigned types are
  /// asymmetric (Jacob et al. 2018, equation 1; onnxruntime's `compute_scale_zp`), signed ones symmetric around a
  /// zero point of 0.
  init(_ range: ValueRange, _ type: QuantizeStep.ActivationType = .uint8) {
    self.type = type
    // A range of more than the largest float would give an infinite scale.
    let low = Double(max(min(range.low, 0), -.greatestFiniteMagnitude / 2))
    let high = Double(min(max(range.high, 0), .greatestFiniteMagnitude / 2))
    let (isSigned, largest) = (type.codes.lowerBound < 0, Double(type.codes.upperBound))
    let scale = (isSigned ? max(high, -low) : high - low) / largest
    if scale < Double(Float.leastNormalMagnitude) {
      self.scale = 1
      zeroPoint = 0
      return
    }
    self.scale = Float(scale)
    zeroPoint =
      isSigned ? 0 : Int32(min(max((-low / scale).rounded(.toNearestOrEven), 0), largest))
  }

  /// The zero point as a scalar of the codes' type.
  func zeroPointTensor() throws(TensorError) -> Tensor {
    switch type {
    case .uint8: try Tensor(scalar: UInt8(zeroPoint))
    case .int8: try Tensor(scalar: Int8(zeroPoint))
    case .uint16: try Tensor(scalar: UInt16(zeroPoint))
    case .int16: try Tensor(scalar: Int16(zeroPoint))
    }
  }
}
