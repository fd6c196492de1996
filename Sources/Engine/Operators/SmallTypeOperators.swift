import GraphIR
import Tensors

/// `Cast` from or to a packed or an 8-bit float type.
struct SmallCast: ShapedOperator {
  let source: ElementAccess
  let target: ElementAccess

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let (source, target) = (source, target)
    let body: (KernelOperands, Range<Int>) -> Void = { operands, range in
      for index in range {
        target.write(operands.rawOutput(), index, source.read(operands.rawInput(0), index))
      }
    }
    let count = try request.output().elementCount
    if target.isPacked { return Kernel("cast_packed") { operands, _ in body(operands, 0..<count) } }
    return Kernel("cast_small", units: count, costPerUnit: 20, threads: request.threads, body: body)
  }
}

/// `QuantizeLinear` to an 8-bit or 4-bit float type.
struct FloatQuantize: ShapedOperator {
  let attributes: QuantizationAttributes
  let target: ElementAccess

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    if input.elementCount == 0 { return .nothing }
    let layout = try QuantizedLayout(input.shape, scale: try request.input(1).shape, attributes)
    let hasZeroPoint = request.hasInput(2)
    let target = target
    return Kernel("quantize_float") { operands, _ in
      let x: UnsafePointer<Float> = operands.input(0)
      let scale: UnsafePointer<Float> = operands.input(1)
      for line in 0..<layout.lines {
        for index in 0..<layout.inner {
          let parameter = layout.parameter(line, index)
          let zeroPoint = hasZeroPoint ? target.read(operands.rawInput(2), parameter) : 0
          let position = line * layout.inner + index
          target.write(operands.rawOutput(), position, Double(x[position] / scale[parameter]) + zeroPoint)
        }
      }
    }
  }
}

/// `DequantizeLinear` from an 8-bit or 4-bit float type.
struct FloatDequantize: ShapedOperator {
  let attributes: QuantizationAttributes
  let source: ElementAccess

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    if input.elementCount == 0 { return .nothing }
    let layout = try QuantizedLayout(input.shape, scale: try request.input(1).shape, attributes)
    let hasZeroPoint = request.hasInput(2)
    let source = source
    return Kernel(
      "dequantize_float", units: layout.lines, costPerUnit: layout.inner * 20, threads: request.threads
    ) { operands, lines in
      let scale: UnsafePointer<Float> = operands.input(1)
      let y: UnsafeMutablePointer<Float> = operands.output()
      for line in lines {
        for index in 0..<layout.inner {
          let parameter = layout.parameter(line, index)
          let zeroPoint = hasZeroPoint ? source.read(operands.rawInput(2), parameter) : 0
          let position = line * layout.inner + index
          y[position] = Float(source.read(operands.rawInput(0), position) - zeroPoint) * scale[parameter]
        }
      }
    }
  }
}
