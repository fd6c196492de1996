import GraphIR
import Tensors

extension EngineTable {
  static let fourierOperators: [OperatorEntry] = [
    OperatorEntry("DFT", types: .floats) { source in
      let attributes = try FourierAttributes(source.node, onesided: false)
      if source.element(0) == .float64 { return DFTOperator<Double>(attributes: attributes) }
      return DFTOperator<Float>(attributes: attributes)
    },
    OperatorEntry("STFT", types: .floats) { source in
      let attributes = try FourierAttributes(source.node, onesided: true)
      if source.element(0) == .float64 { return STFTOperator<Double>(attributes: attributes) }
      return STFTOperator<Float>(attributes: attributes)
    },
  ]
}

/// The two arrays of a transform in a thread's scratch memory.
private struct FourierWork {
  let re: UnsafeMutablePointer<Double>
  let im: UnsafeMutablePointer<Double>

  init(_ operands: KernelOperands, _ transform: FourierTransform) {
    re = operands.threadScratch.assumingMemoryBound(to: Double.self)
    im = re + transform.workCount
  }

  static func byteCount(_ transform: FourierTransform) -> Int {
    2 * transform.workCount * MemoryLayout<Double>.stride
  }
}

/// `DFT` along one axis; complex numbers lie side by side on the last axis.
struct DFTOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  let attributes: FourierAttributes

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let axis = request.hasInput(2) ? try request.integers(2).first ?? -2 : -2
    guard let place = shape.axis(axis), place < shape.rank - 1 else {
      throw OperatorFailure.invalid("axis \(axis) is out of range")
    }
    let source = try AxisView(Shape(shape.dimensions.dropLast()), axis: place)
    let target = try AxisView(Shape(output.dimensions.dropLast()), axis: place)
    let (parts, written) = (shape[shape.rank - 1], output[shape.rank - 1])
    let isReal = attributes.isInverse && attributes.isOnesided
    var length = target.extent
    if request.hasInput(1) {
      length = try request.integers(1).first ?? 0
    } else if !isReal {
      length = source.extent
    }
    let transform = try FourierTransform(length: length)
    let taken = min(source.extent, isReal ? length / 2 + 1 : length)
    let isInverse = attributes.isInverse
    return Kernel(
      "dft", units: target.outer * target.inner, costPerUnit: length * 40, threads: request.threads,
      threadScratch: FourierWork.byteCount(transform)
    ) { operands, range in
      let work = FourierWork(operands, transform)
      for line in range {
        let x = operands.input(0, as: Element.self) + source.start(of: line) * parts
        for index in 0..<length {
          let position = index * source.inner * parts
          work.re[index] = index < taken ? Double(x[position]) : 0
          work.im[index] = index < taken && parts == 2 ? Double(x[position + 1]) : 0
        }
        if isReal { Self.mirror(work, length) }
        transform.run(work.re, work.im, inverse: isInverse)
        let y = operands.output(0, as: Element.self) + target.start(of: line) * written
        for index in 0..<target.extent {
          let position = index * target.inner * written
          y[position] = Element(work.re[index])
          if written == 2 { y[position + 1] = Element(work.im[index]) }
        }
      }
    }
  }

  /// Completes the spectrum of a real signal; what must be real in it is taken as real.
  private static func mirror(_ work: FourierWork, _ length: Int) {
    work.im[0] = 0
    if length % 2 == 0 { work.im[length / 2] = 0 }
    for index in 0..<((length - 1) / 2) {
      work.re[length - 1 - index] = work.re[index + 1]
      work.im[length - 1 - index] = -work.im[index + 1]
    }
  }
}

/// `STFT`: the transforms of frames that lie `frame_step` apart, each times the window.
struct STFTOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  let attributes: FourierAttributes

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let signal = try request.input(0).shape
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    guard let step = try request.integers(1).first else {
      throw OperatorFailure.invalid("frame_step is missing")
    }
    let window = request.optionalInput(2)?.elementCount
    let length =
      try window ?? (request.hasInput(3) ? request.integers(3).first : nil) ?? signal[1]
    let transform = try FourierTransform(length: length)
    let (parts, frames, bins) = (signal[2], output[1], output[2])
    return Kernel(
      "stft", units: output[0] * frames, costPerUnit: length * 40, threads: request.threads,
      threadScratch: FourierWork.byteCount(transform)
    ) { operands, range in
      let work = FourierWork(operands, transform)
      for unit in range {
        let (batch, frame) = unit.quotientAndRemainder(dividingBy: frames)
        let x = operands.input(0, as: Element.self) + (batch * signal[1] + frame * step) * parts
        for index in 0..<length {
          let weight = window == nil ? 1 : Double(operands.input(2, as: Element.self)[index])
          work.re[index] = Double(x[index * parts]) * weight
          work.im[index] = parts == 2 ? Double(x[index * parts + 1]) * weight : 0
        }
        transform.run(work.re, work.im, inverse: false)
        let y = operands.output(0, as: Element.self) + unit * bins * 2
        for index in 0..<bins {
          y[2 * index] = Element(work.re[index])
          y[2 * index + 1] = Element(work.im[index])
        }
      }
    }
  }
}
