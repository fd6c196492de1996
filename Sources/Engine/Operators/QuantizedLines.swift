import Tensors

/// Elements next to each other that share a scale and a zero point.
struct QuantizedLine {
  let start: Int
  let count: Int
  let scale: Float
  let zeroPoint: Int32
}

extension QuantizedLayout {
  /// A kernel that calls `body` for lines of 8-bit elements: those of one place on the axis, or pieces of the whole
  /// when it has one scale. Input 1 holds the scales, input 2 the zero points.
  /// - Returns: nil for other types, and for lines too short for vector code.
  func lineKernel(
    _ name: String, _ elements: QuantizedElements, hasZeroPoint: Bool, threads: Int,
    body: @escaping (KernelOperands, QuantizedLine) -> Void
  ) -> Kernel? {
    guard elements.type == .uint8 || elements.type == .int8, inner >= 8 else { return nil }
    let isSingle = lines == 1
    return Kernel(
      Kernels.name(name), units: isSingle ? inner : lines, costPerUnit: isSingle ? 1 : inner, threads: threads
    ) { operands, range in
      let scale: UnsafePointer<Float> = operands.input(1)
      for number in isSingle ? 0..<1 : range {
        let parameter = parameter(number, 0)
        body(
          operands,
          QuantizedLine(
            start: isSingle ? range.lowerBound : number * inner, count: isSingle ? range.count : inner,
            scale: scale[parameter],
            zeroPoint: hasZeroPoint ? elements.read(operands.rawInput(2), parameter) : 0))
      }
    }
  }
}
