import CKernels
import GraphIR
import Glibc
import Tensors

/// `MaxPool`, with indices when the node has a second output.
struct MaxPoolFactory: ArithmeticVisitor {
  let attributes: PoolAttributes

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    MaxPool<Element>(attributes: attributes)
  }
}

private struct MaxPool<Element: ArithmeticElement>: ShapedOperator {
  let attributes: PoolAttributes

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  @_specialize(where Element == Int8)
  @_specialize(where Element == UInt8)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    if output.elementCount == 0 { return .nothing }
    let input = try request.input(0).shape
    let window = try SpatialWindow(attributes.window, input: input, output: output.shape)
    let planes = input[0] * input[1]
    if Element.self == Float.self && window.isFlat && !request.hasOutput(1) {
      return vectorKernel(window, planes, request.threads)
    }
    let hasIndices = request.hasOutput(1)
    let isColumnMajor = attributes.isColumnMajor
    return Kernel(
      "max_pool_plain", units: planes, costPerUnit: window.outputSize * window.taps * 2,
      threads: request.threads
    ) { operands, range in
      for plane in range {
        let x: UnsafePointer<Element> = operands.input(0) + plane * window.inputSize
        let y: UnsafeMutablePointer<Element> = operands.output() + plane * window.outputSize
        for position in 0..<window.outputSize {
          var best = -1
          window.forEachTap(position) { _, index in if best < 0 || x[index] > x[best] { best = index } }
          y[position] = best < 0 ? .zero : x[best]
          if hasIndices {
            let place = isColumnMajor ? Self.columnMajor(best, window) : best
            operands.output(1, as: Int.self)[plane * window.outputSize + position] =
              plane * window.inputSize + place
          }
        }
      }
    }
  }

  private func vectorKernel(_ window: SpatialWindow, _ planes: Int, _ threads: Int) -> Kernel {
    let shape = window.window2d(channels: 1)
    let (inputSize, outputSize) = (window.inputSize, window.outputSize)
    let table = Kernels.current
    let areStackable = window.rowsTile
    return Kernel(
      Kernels.name("max_pool_f32"), units: planes, costPerUnit: outputSize * window.taps / 4, threads: threads
    ) { operands, range in
      var shape = shape
      if areStackable {
        shape.height *= range.count
        shape.output_height *= range.count
        let first = range.lowerBound
        table.max_pool_f32(
          &shape, operands.input(0) + first * inputSize, operands.output() + first * outputSize)
        return
      }
      for plane in range {
        table.max_pool_f32(
          &shape, operands.input(0) + plane * inputSize, operands.output() + plane * outputSize)
      }
    }
  }

  /// The place of a row-major index when the last axis varies slowest.
  private static func columnMajor(_ index: Int, _ window: SpatialWindow) -> Int {
    let (height, width) = (window.input[1], window.input[2])
    let (depth, row, column) = (index / (height * width), index / width % height, index % width)
    return (column * height + row) * window.input[0] + depth
  }
}

/// `AveragePool`.
struct AveragePoolFactory: ArithmeticVisitor {
  let attributes: PoolAttributes

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    AveragePool<Element>(attributes: attributes)
  }
}

private struct AveragePool<Element: ArithmeticElement>: ShapedOperator {
  let attributes: PoolAttributes

  private struct Mean: WindowFold {
    func start() -> Double { 0 }
    func fold(_ state: inout Double, _ value: Element) { state += value.asDouble }
    func finish(_ state: Double, windowCount: Int) -> Element {
      Element(saturating: state / Double(windowCount))
    }
  }

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    let input = try request.input(0).shape
    let window = try SpatialWindow(attributes.window, input: input, output: output.shape)
    if output.elementCount == 0 { return .nothing }
    guard Element.self == Float.self && window.isFlat else {
      return try PlainPool(fold: Mean()).prepare(request)
    }
    let shape = window.window2d(channels: 1)
    let countsPadding = attributes.countIncludePad
    let table = Kernels.current
    return Kernel(
      Kernels.name("average_pool_f32"), units: input[0] * input[1],
      costPerUnit: window.outputSize * window.taps / 4,
      threads: request.threads
    ) { operands, range in
      var shape = shape
      for plane in range {
        table.average_pool_f32(
          &shape, operands.input(0) + plane * window.inputSize, countsPadding, window.padEnd[1],
          window.padEnd[2],
          operands.output() + plane * window.outputSize)
      }
    }
  }
}

/// `LpPool`.
struct LpPoolFactory: ArithmeticVisitor {
  let p: Int

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    PlainPool(fold: Norm<Element>(p: Double(p)))
  }

  struct Norm<Element: ArithmeticElement>: WindowFold {
    let p: Double
    func start() -> Double { 0 }
    func fold(_ state: inout Double, _ value: Element) { state += pow(abs(value.asDouble), p) }
    func finish(_ state: Double, windowCount: Int) -> Element { Element(saturating: pow(state, 1 / p)) }
  }
}
