import Tensors

/// A sparse tensor as a bit for every element and the elements that the bits are set for: (1/8 + density · width) bytes
/// an element, where ONNX's own sparse tensors take (8 + width) bytes for each that is kept.
///
/// Element i is `values[rank(i) · bit(i)]` with rank(i) = the bits set up to and including i, which a running sum and
/// a Gather compute in any runtime.
struct BitmaskCode: Sendable, Equatable {
  /// uint8 `[⌈elements / 8⌉]`: element i is bit i mod 8, counted from the lowest, of byte i / 8. Bits behind the last
  /// element are zero.
  let mask: Tensor
  /// `[1 + kept]` of the tensor's type: what the elements without a bit are, then the others in row-major order.
  let values: Tensor
  let shape: Shape

  /// - Returns: nil for types other than those of 1, 2 or 4 bytes.
  init?(_ tensor: Tensor) throws(TensorError) {
    var bits = [UInt8](repeating: 0, count: tensor.elementCount / 8 + (tensor.elementCount % 8 == 0 ? 0 : 1))
    let kept: [UInt32]? = tensor.withBitPatterns { patterns in
      let background = patterns.background
      var kept = [background]
      for index in 0..<patterns.count where patterns[index] != background {
        bits[index / 8] |= 1 << UInt8(index % 8)
        kept.append(patterns[index])
      }
      return kept
    }
    guard let kept else { return nil }
    mask = try Tensor(shape: [bits.count], bits)
    values = try Tensor(patterns: kept, tensor.type)
    shape = tensor.shape
  }

  var byteCount: Int { mask.byteCount + values.byteCount }
}
