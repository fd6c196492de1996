import CKernels
import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let rowOperators: [OperatorEntry] = [
    OperatorEntry("Softmax", types: .floats) { try SoftmaxOperator($0, isLog: false) },
    OperatorEntry("LogSoftmax", types: .floats) { try SoftmaxOperator($0, isLog: true) },
  ]
}

/// A tensor seen as lines along one axis: `outer` blocks of `extent` elements that lie `inner` apart.
struct AxisView {
  let outer: Int
  let extent: Int
  let inner: Int

  init(_ shape: Shape, axis: Int) throws(OperatorFailure) {
    guard let axis = shape.axis(axis) else { throw .invalid("axis \(axis) is out of range for \(shape)") }
    outer = shape.product(0..<axis)
    extent = shape[axis]
    inner = shape.product((axis + 1)..<shape.rank)
  }

  /// Where line `line` of `outer * inner` begins.
  @inline(__always) func start(of line: Int) -> Int { line / inner * extent * inner + line % inner }
}

/// `Softmax` and `LogSoftmax` along one axis.
struct SoftmaxOperator: ShapedOperator {
  let axis: Int
  let isLog: Bool
  let isDouble: Bool

  init(_ source: OperatorSource, isLog: Bool) throws {
    axis = try source.node.int("axis", default: -1)
    self.isLog = isLog
    isDouble = source.element(0) == .float64
  }

  var inPlaceInputs: [Int] { [0] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let view = try AxisView(try request.input(0).shape, axis: axis)
    if view.outer * view.inner * view.extent == 0 { return .nothing }
    if isDouble { return doubleKernel(view, request.threads) }
    let function = isLog ? Kernels.current.log_softmax_f32 : Kernels.current.softmax_f32
    let name = Kernels.name(isLog ? "log_softmax" : "softmax")
    if view.inner == 1 {
      return Kernel(name, units: view.outer, costPerUnit: view.extent * 4, threads: request.threads) {
        operands, range in
        for row in range {
          function(
            operands.input(0) + row * view.extent, operands.output() + row * view.extent, view.extent)
        }
      }
    }
    let scratch = view.extent * MemoryLayout<Float>.stride
    return Kernel(
      name, units: view.outer * view.inner, costPerUnit: view.extent * 6, threads: request.threads,
      threadScratch: scratch
    ) { operands, range in
      let line = operands.threadScratch.assumingMemoryBound(to: Float.self)
      for unit in range {
        let x: UnsafePointer<Float> = operands.input(0) + view.start(of: unit)
        let y: UnsafeMutablePointer<Float> = operands.output() + view.start(of: unit)
        for index in 0..<view.extent { line[index] = x[index * view.inner] }
        function(line, line, view.extent)
        for index in 0..<view.extent { y[index * view.inner] = line[index] }
      }
    }
  }

  private func doubleKernel(_ view: AxisView, _ threads: Int) -> Kernel {
    let isLog = isLog
    return Kernel(
      "softmax_f64", units: view.outer * view.inner, costPerUnit: view.extent * 40, threads: threads
    ) {
      operands, range in
      for unit in range {
        let x: UnsafePointer<Double> = operands.input(0) + view.start(of: unit)
        let y: UnsafeMutablePointer<Double> = operands.output() + view.start(of: unit)
        var top = -Double.infinity
        for index in 0..<view.extent { top = Double.greater(top, x[index * view.inner]) }
        var sum = 0.0
        for index in 0..<view.extent { sum += exp(x[index * view.inner] - top) }
        for index in 0..<view.extent {
          let shifted = x[index * view.inner] - top
          y[index * view.inner] = isLog ? shifted - log(sum) : exp(shifted) / sum
        }
      }
    }
  }
}
