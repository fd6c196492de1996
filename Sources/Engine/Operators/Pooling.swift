import CKernels
import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let poolingOperators: [OperatorEntry] = [
    OperatorEntry("MaxPool", types: .floats + .eightBit) { source in
      try source.element(0, in: .numbers).withArithmetic(
        MaxPoolFactory(attributes: try PoolAttributes(source.node)))
    },
    OperatorEntry("AveragePool", types: .floats) { source in
      try source.element(0, in: .floats).withArithmetic(
        AveragePoolFactory(attributes: try PoolAttributes(source.node)))
    },
    OperatorEntry("LpPool", types: .floats) { source in
      let p = try PoolAttributes(source.node).p
      return try source.element(0, in: .floats).withArithmetic(LpPoolFactory(p: p))
    },
    global("GlobalAveragePool") { values, count in values.reduce(0, +) / Double(count) },
    global("GlobalMaxPool") { values, _ in values.reduce(-.infinity, Double.greater) },
    OperatorEntry("GlobalLpPool", types: .floats) { source in
      let p = Double(try source.node.int("p", default: 2))
      return GlobalPool(isDouble: source.element(0) == .float64, vector: nil) { values, _ in
        pow(values.reduce(0) { $0 + pow(abs($1), p) }, 1 / p)
      }
    },
  ]

  private static func global(
    _ name: String, _ function: @escaping @Sendable (GlobalPool.Values, Int) -> Double
  ) -> OperatorEntry {
    OperatorEntry(OperatorName(type: name), types: .floats) { source in
      GlobalPool(
        isDouble: source.element(0) == .float64, vector: name == "GlobalMaxPool" ? .maximum : .mean,
        function: function)
    }
  }
}

/// `GlobalAveragePool`, `GlobalMaxPool`, `GlobalLpPool`: one value for each channel.
struct GlobalPool: ShapedOperator {
  typealias Values = LazyMapSequence<Range<Int>, Double>
  enum Vector { case mean, maximum }

  let isDouble: Bool
  let vector: Vector?
  let function: @Sendable (Values, Int) -> Double

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    let planes = input[0] * input[1]
    let size = input.product(2..<input.rank)
    let (isDouble, vector, function) = (isDouble, vector, function)
    let table = Kernels.current
    return Kernel(Kernels.name("global_pool"), units: planes, costPerUnit: size, threads: request.threads) {
      operands, range in
      for plane in range {
        if isDouble {
          let x: UnsafePointer<Double> = operands.input(0) + plane * size
          operands.output(0, as: Double.self)[plane] = function((0..<size).lazy.map { x[$0] }, size)
          continue
        }
        let x: UnsafePointer<Float> = operands.input(0) + plane * size
        let y: UnsafeMutablePointer<Float> = operands.output()
        switch vector {
        case .mean?: y[plane] = table.sum_f32(x, size) / Float(size)
        case .maximum?: y[plane] = table.maximum_f32(x, size)
        case nil: y[plane] = Float(function((0..<size).lazy.map { Double(x[$0]) }, size))
        }
      }
    }
  }
}

/// A pooling operator as a fold over the elements of each window.
protocol WindowFold: Sendable {
  associatedtype Element: ArithmeticElement
  associatedtype State
  func start() -> State
  func fold(_ state: inout State, _ value: Element)
  /// - Parameter windowCount: elements of the window inside the input, or its padding when that counts.
  func finish(_ state: State, windowCount: Int) -> Element
}

/// Any pooling with plain loops: every number type, up to three spatial axes.
struct PlainPool<Fold: WindowFold>: ShapedOperator {
  let fold: Fold

  @_specialize(where Fold == LpPoolFactory.Norm<Float>)
  @_specialize(where Fold == LpPoolFactory.Norm<Double>)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    if output.elementCount == 0 { return .nothing }
    let attributes = try PoolAttributes(request.node)
    let input = try request.input(0).shape
    let window = try SpatialWindow(attributes.window, input: input, output: output.shape)
    let countsPadding = attributes.countIncludePad
    let fold = fold
    return Kernel(
      "pool_plain", units: input[0] * input[1], costPerUnit: window.outputSize * window.taps * 2,
      threads: request.threads
    ) { operands, range in
      for plane in range {
        let x: UnsafePointer<Fold.Element> = operands.input(0) + plane * window.inputSize
        let y: UnsafeMutablePointer<Fold.Element> = operands.output() + plane * window.outputSize
        for position in 0..<window.outputSize {
          var state = fold.start()
          window.forEachTap(position) { _, index in fold.fold(&state, x[index]) }
          y[position] = fold.finish(
            state, windowCount: window.tapCount(position, includingPadding: countsPadding))
        }
      }
    }
  }
}

extension SpatialWindow {
  /// Output coordinates of a flat position.
  @inline(__always)
  private func coordinates(_ position: Int) -> (Int, Int, Int) {
    (position / (output[1] * output[2]), position / output[2] % output[1], position % output[2])
  }

  /// Calls `body` with each tap of a window that lies inside the input, and its flat input index.
  @inline(__always)
  func forEachTap(_ position: Int, _ body: (_ tap: Int, _ index: Int) -> Void) {
    let (depth, row, column) = coordinates(position)
    for slice in 0..<kernel[0] {
      let d = self.position(0, depth, slice)
      if d < 0 || d >= input[0] { continue }
      for line in 0..<kernel[1] {
        let h = self.position(1, row, line)
        if h < 0 || h >= input[1] { continue }
        for step in 0..<kernel[2] {
          let w = self.position(2, column, step)
          if w < 0 || w >= input[2] { continue }
          body((slice * kernel[1] + line) * kernel[2] + step, (d * input[1] + h) * input[2] + w)
        }
      }
    }
  }

  /// Taps of a window that lie inside the input, or inside the input and its padding.
  func tapCount(_ position: Int, includingPadding: Bool) -> Int {
    let (depth, row, column) = coordinates(position)
    var count = 1
    for axis in 0..<Self.maximumRank {
      let place = axis == 0 ? depth : axis == 1 ? row : column
      let low = includingPadding ? -padBegin[axis] : 0
      let high = input[axis] + (includingPadding ? padEnd[axis] : 0)
      var inside = 0
      for tap in 0..<kernel[axis] {
        let at = self.position(axis, place, tap)
        if at >= low && at < high { inside += 1 }
      }
      count *= inside
    }
    return count
  }
}
