import CKernels
import GraphIR
import Tensors

extension EngineTable {
  static let quantizationOperators: [OperatorEntry] = [
    OperatorEntry("QuantizeLinear", types: [.float32, .int32]) { source in
      guard let target = source.outputElement() else {
        throw OperatorFailure.invalid("the target type is not known")
      }
      if LowPrecision.table(target) != nil {
        try source.element(0, in: .single)
        let attributes = try QuantizationAttributes(source.node)
        return FloatQuantize(
          attributes: attributes, target: try ElementAccess(target, saturates: attributes.saturates))
      }
      return QuantizeOperator(
        attributes: try QuantizationAttributes(source.node), elements: try QuantizedElements(target),
        isInteger: source.element(0) == .int32)
    },
    OperatorEntry("DequantizeLinear", types: .single, typedInput: 1) { source in
      guard let from = source.element(0) else { throw OperatorFailure.invalid("input 0 is missing") }
      guard source.outputElement() == .float32 else {
        throw OperatorFailure.type(source.outputElement() ?? .float32)
      }
      if LowPrecision.table(from) != nil {
        return FloatDequantize(
          attributes: try QuantizationAttributes(source.node), source: try ElementAccess(from))
      }
      return DequantizeOperator(
        attributes: try QuantizationAttributes(source.node), elements: try QuantizedElements(from))
    },
    OperatorEntry("DynamicQuantizeLinear", types: .single) { _ in DynamicQuantizeOperator() },
  ]
}

/// `QuantizeLinear` to integers of 2 to 16 bits.
struct QuantizeOperator: ShapedOperator {
  let attributes: QuantizationAttributes
  let elements: QuantizedElements
  let isInteger: Bool

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    if input.elementCount == 0 { return .nothing }
    let layout = try QuantizedLayout(input.shape, scale: try request.input(1).shape, attributes)
    let hasZeroPoint = request.hasInput(2)
    if !isInteger, layout.hasScalePerLine, let kernel = vectorKernel(layout, hasZeroPoint, request.threads) {
      return kernel
    }
    let (elements, isInteger) = (elements, isInteger)
    let body: (KernelOperands, Range<Int>) -> Void = { operands, lines in
      let scale: UnsafePointer<Float> = operands.input(1)
      for line in lines {
        for index in 0..<layout.inner {
          let parameter = layout.parameter(line, index)
          let zeroPoint = hasZeroPoint ? elements.read(operands.rawInput(2), parameter) : 0
          let position = line * layout.inner + index
          let x =
            isInteger
            ? Float(operands.input(0, as: Int32.self)[position]) : operands.input(0, as: Float.self)[position]
          elements.write(
            operands.rawOutput(), position, elements.quantize(x / scale[parameter], zeroPoint: zeroPoint))
        }
      }
    }
    // Elements that share a byte must be written by one thread, in order.
    if elements.type.isPacked {
      return Kernel("quantize_packed") { operands, _ in body(operands, 0..<layout.lines) }
    }
    return Kernel(
      "quantize", units: layout.lines, costPerUnit: layout.inner * 6, threads: request.threads, body: body)
  }

  private func vectorKernel(_ layout: QuantizedLayout, _ hasZeroPoint: Bool, _ threads: Int) -> Kernel? {
    let table = Kernels.current
    let isSigned = elements.type == .int8
    return layout.lineKernel("quantize", elements, hasZeroPoint: hasZeroPoint, threads: threads) {
      operands, line in
      let x: UnsafePointer<Float> = operands.input(0) + line.start
      if isSigned {
        table.quantize_s8(x, operands.output() + line.start, line.count, line.scale, line.zeroPoint)
      } else {
        table.quantize_u8(x, operands.output() + line.start, line.count, line.scale, line.zeroPoint)
      }
    }
  }
}

/// `DequantizeLinear` from integers of 2 to 16 bits and int32.
struct DequantizeOperator: ShapedOperator {
  let attributes: QuantizationAttributes
  let elements: QuantizedElements

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0)
    if input.elementCount == 0 { return .nothing }
    let layout = try QuantizedLayout(input.shape, scale: try request.input(1).shape, attributes)
    let hasZeroPoint = request.hasInput(2)
    if layout.hasScalePerLine, let kernel = vectorKernel(layout, hasZeroPoint, request.threads) {
      return kernel
    }
    let elements = elements
    return Kernel(
      "dequantize", units: layout.lines, costPerUnit: layout.inner * 4, threads: request.threads
    ) { operands, lines in
      let scale: UnsafePointer<Float> = operands.input(1)
      let y: UnsafeMutablePointer<Float> = operands.output()
      for line in lines {
        for index in 0..<layout.inner {
          let parameter = layout.parameter(line, index)
          let zeroPoint = hasZeroPoint ? elements.read(operands.rawInput(2), parameter) : 0
          let position = line * layout.inner + index
          let difference = elements.read(operands.rawInput(0), position).subtractingReportingOverflow(
            zeroPoint)
          y[position] = Float(difference.partialValue) * scale[parameter]
        }
      }
    }
  }

  private func vectorKernel(_ layout: QuantizedLayout, _ hasZeroPoint: Bool, _ threads: Int) -> Kernel? {
    let table = Kernels.current
    let isSigned = elements.type == .int8
    return layout.lineKernel("dequantize", elements, hasZeroPoint: hasZeroPoint, threads: threads) {
      operands, line in
      let y: UnsafeMutablePointer<Float> = operands.output() + line.start
      if isSigned {
        table.dequantize_s8(operands.input(0) + line.start, y, line.count, line.scale, line.zeroPoint)
      } else {
        table.dequantize_u8(operands.input(0) + line.start, y, line.count, line.scale, line.zeroPoint)
      }
    }
  }
}

/// How `DynamicQuantizeLinear` chooses scale and zero point for values between `minimum` and `maximum`.
struct DynamicRange {
  let scale: Float
  let zeroPoint: Int32

  init(minimum: Float, maximum: Float) {
    let low = min(0, minimum)
    let high = max(0, maximum)
    scale = (high - low) / 255
    if scale == 0 || !scale.isFinite {
      zeroPoint = 0
      return
    }
    let exact = (0 - low / scale).rounded(.toNearestOrEven)
    zeroPoint = Int32(min(255, max(0, exact)))
  }

  /// The scale to divide by: all-zero data have none.
  var divisor: Float { scale == 0 ? 1 : scale }
}

/// The smallest and the largest element of each piece of a float32 tensor, in the shared scratch memory.
struct PieceBounds {
  let split: WorkSplit
  /// Where in the scratch memory.
  let start: Int

  var byteCount: Int { split.pieces * 2 * MemoryLayout<Float>.stride }

  func phase(input: Int) -> Kernel.Phase {
    let table = Kernels.current
    let bounds = self
    return Kernel.Phase(pieces: split.pieces) { operands, piece in
      let range = bounds.split.range(of: piece)
      let slot = bounds.slots(operands) + 2 * piece
      table.min_max_f32(operands.input(input) + range.lowerBound, range.count, slot, slot + 1)
    }
  }

  /// The range of the whole tensor, after the phase.
  func range(_ operands: KernelOperands) -> DynamicRange {
    let slots = slots(operands)
    var (low, high): (Float, Float) = (0, 0)
    for piece in 0..<split.pieces {
      low = min(low, slots[2 * piece])
      high = max(high, slots[2 * piece + 1])
    }
    return DynamicRange(minimum: low, maximum: high)
  }

  private func slots(_ operands: KernelOperands) -> UnsafeMutablePointer<Float> {
    (operands.sharedScratch + start).assumingMemoryBound(to: Float.self)
  }
}

/// `DynamicQuantizeLinear`: one uint8 scale and zero point for the whole tensor.
struct DynamicQuantizeOperator: ShapedOperator {
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let count = try request.input(0).elementCount
    let split = WorkSplit(units: count, costPerUnit: 1, threads: request.threads)
    let bounds = PieceBounds(split: split, start: 0)
    let table = Kernels.current
    let choose = Kernel.Phase(pieces: 1) { operands, _ in
      let range = bounds.range(operands)
      operands.output(1, as: Float.self)[0] = range.scale
      operands.output(2, as: UInt8.self)[0] = UInt8(range.zeroPoint)
    }
    let quantize = Kernel.Phase(pieces: split.pieces) { operands, piece in
      let range = split.range(of: piece)
      let scale = operands.output(1, as: Float.self)[0]
      table.quantize_u8(
        operands.input(0) + range.lowerBound, operands.output() + range.lowerBound, range.count,
        scale == 0 ? 1 : scale, Int32(operands.output(2, as: UInt8.self)[0]))
    }
    return Kernel(
      Kernels.name("dynamic_quantize"), phases: [bounds.phase(input: 0), choose, quantize],
      sharedScratch: max(1, bounds.byteCount))
  }
}
