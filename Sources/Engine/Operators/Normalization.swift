import CKernels
import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let normalizationOperators: [OperatorEntry] = [
    OperatorEntry("BatchNormalization", types: .floats, mixesFloats: true) { source in
      try batchNormalization(source)
    },
    OperatorEntry("LayerNormalization", types: .floats) { source in
      let attributes = try LayerNormalizationAttributes(source.node)
      return LayerNormalization(
        axis: attributes.axis, epsilon: attributes.epsilon, isDouble: source.element(0) == .float64)
    },
    OperatorEntry("RMSNormalization", types: .floats, mixesFloats: true) { source in
      let attributes = try LayerNormalizationAttributes(source.node)
      if source.element(0) == .float32 {
        return RMSNormalization<Float>(axis: attributes.axis, epsilon: attributes.epsilon)
      }
      return RMSNormalization<Double>(axis: attributes.axis, epsilon: attributes.epsilon)
    },
    OperatorEntry("InstanceNormalization", types: .floats) { source in
      let epsilon = try source.node.float("epsilon", default: 1e-5)
      if source.element(0) == .float32 { return GroupNormalization<Float>(groups: nil, epsilon: epsilon) }
      return GroupNormalization<Double>(groups: nil, epsilon: epsilon)
    },
    OperatorEntry("GroupNormalization", types: .floats) { source in
      let attributes = try GroupNormalizationAttributes(source.node)
      if source.element(0) == .float32 {
        return GroupNormalization<Float>(groups: attributes.groups, epsilon: attributes.epsilon)
      }
      return GroupNormalization<Double>(groups: attributes.groups, epsilon: attributes.epsilon)
    },
    OperatorEntry("LRN", types: .floats) { source in
      let attributes = try LRNAttributes(source.node)
      if source.element(0) == .float32 { return VectorLocalResponseNormalization(attributes: attributes) }
      return LocalResponseNormalization(attributes: attributes)
    },
    OperatorEntry("LpNormalization", types: .floats) { source in
      let (axis, p) = (try source.node.int("axis", default: -1), try source.node.int("p", default: 2))
      if source.element(0) == .float32 { return LpNormalization<Float>(axis: axis, p: p) }
      return LpNormalization<Double>(axis: axis, p: p)
    },
    OperatorEntry("MeanVarianceNormalization", types: .floats) { source in
      let axes = try source.node.ints("axes") ?? [0, 2, 3]
      if source.element(0) == .float32 { return MeanVarianceNormalization<Float>(axes: axes) }
      return MeanVarianceNormalization<Double>(axes: axes)
    },
  ]
}

/// Float32 or float64, for operators that compute in double precision inside.
protocol FloatElement: ArithmeticElement, BinaryFloatingPoint {}
extension Float: FloatElement {}
extension Double: FloatElement {}

extension EngineTable {
  private static func batchNormalization(_ source: OperatorSource) throws -> any ShapedOperator {
    let attributes = try BatchNormalizationAttributes(source.node)
    guard let element = source.element(0) else { throw OperatorFailure.invalid("input 0 is no tensor") }
    for input in 1..<5 { try source.element(input, in: [element]) }
    if attributes.isTraining {
      if element == .float32 { return BatchStatistics<Float>(attributes: attributes) }
      return BatchStatistics<Double>(attributes: attributes)
    }
    if element == .float32 { return BatchNormalization<Float>(epsilon: attributes.epsilon) }
    return BatchNormalization<Double>(epsilon: attributes.epsilon)
  }
}

/// `BatchNormalization` with given statistics: one multiplication and addition for each element.
struct BatchNormalization<Element: FloatElement>: ShapedOperator {
  let epsilon: Float

  var inPlaceInputs: [Int] { [0] }

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    if input.elementCount == 0 { return .nothing }
    let channels = input.rank > 1 ? input[1] : 1
    let size = input.rank > 2 ? input.product(2..<input.rank) : 1
    let epsilon = Element(epsilon)
    return Kernel("batch_norm", units: input[0] * channels, costPerUnit: size, threads: request.threads) {
      operands, range in
      let scale: UnsafePointer<Element> = operands.input(1)
      let bias: UnsafePointer<Element> = operands.input(2)
      let mean: UnsafePointer<Element> = operands.input(3)
      let variance: UnsafePointer<Element> = operands.input(4)
      for plane in range {
        let channel = plane % channels
        let factor = scale[channel] / (variance[channel] + epsilon).squareRoot()
        let offset = bias[channel] - mean[channel] * factor
        let x: UnsafePointer<Element> = operands.input(0) + plane * size
        let y: UnsafeMutablePointer<Element> = operands.output() + plane * size
        for index in 0..<size { y[index] = x[index] * factor + offset }
      }
    }
  }
}

/// `LayerNormalization`: over all axes from `axis` on.
struct LayerNormalization: ShapedOperator {
  let axis: Int
  let epsilon: Float
  let isDouble: Bool

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    guard let axis = input.axis(axis) else { throw OperatorFailure.invalid("axis \(axis) is out of range") }
    let rows = input.product(0..<axis)
    let size = input.product(axis..<input.rank)
    if rows * size == 0 { return .nothing }
    for index in 1...2 where request.optionalInput(index).map({ $0.elementCount != size }) ?? false {
      throw OperatorFailure.unsupported("scale and bias must have the shape that is normalized")
    }
    if isDouble { return doubleKernel(request, rows: rows, size: size) }
    let (hasBias, hasMean, hasDeviation) = (request.hasInput(2), request.hasOutput(1), request.hasOutput(2))
    let epsilon = epsilon
    let table = Kernels.current
    return Kernel(Kernels.name("layer_norm"), units: rows, costPerUnit: size, threads: request.threads) {
      operands, range in
      for row in range {
        table.layer_norm_f32(
          operands.input(0) + row * size, operands.input(1), hasBias ? operands.input(2) : nil,
          operands.output() + row * size, size, epsilon, hasMean ? operands.output(1) + row : nil,
          hasDeviation ? operands.output(2) + row : nil)
      }
    }
  }

  private func doubleKernel(_ request: PrepareRequest, rows: Int, size: Int) -> Kernel {
    let (hasBias, hasMean, hasDeviation) = (request.hasInput(2), request.hasOutput(1), request.hasOutput(2))
    // Mean and deviation are given in the stash type, which is float32 unless the model says otherwise.
    let epsilon = Double(epsilon)
    return Kernel("layer_norm_f64", units: rows, costPerUnit: size * 4, threads: request.threads) {
      operands, range in
      for row in range {
        let x: UnsafePointer<Double> = operands.input(0) + row * size
        let y: UnsafeMutablePointer<Double> = operands.output() + row * size
        let statistics = RowStatistics(x, count: size)
        let inverse = 1 / (statistics.variance + epsilon).squareRoot()
        let scale: UnsafePointer<Double> = operands.input(1)
        for index in 0..<size {
          y[index] = (x[index] - statistics.mean) * inverse * scale[index]
          if hasBias { y[index] += operands.input(2, as: Double.self)[index] }
        }
        if hasMean { operands.output(1, as: Float.self)[row] = Float(statistics.mean) }
        if hasDeviation { operands.output(2, as: Float.self)[row] = Float(inverse) }
      }
    }
  }
}

/// Mean and (population) variance of contiguous elements, in double precision and two passes.
struct RowStatistics {
  let mean: Double
  let variance: Double

  init<Element: FloatElement>(_ x: UnsafePointer<Element>, count: Int) {
    var sum = 0.0
    for index in 0..<count { sum += Double(x[index]) }
    let mean = sum / Double(count)
    var squares = 0.0
    for index in 0..<count {
      let difference = Double(x[index]) - mean
      squares += difference * difference
    }
    self.mean = mean
    variance = squares / Double(count)
  }
}

/// `RMSNormalization`: over all axes from `axis` on.
struct RMSNormalization<Element: FloatElement>: ShapedOperator {
  let axis: Int
  let epsilon: Float

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    guard let axis = input.axis(axis) else { throw OperatorFailure.invalid("axis \(axis) is out of range") }
    let rows = input.product(0..<axis)
    let size = input.product(axis..<input.rank)
    if rows * size == 0 { return .nothing }
    let scale = BroadcastPlan([try request.input(1).shape], output: Shape(Array(input.dimensions[axis...])))
    let epsilon = Double(epsilon)
    return Kernel("rms_norm", units: rows, costPerUnit: size * 2, threads: request.threads) {
      operands, range in
      for row in range {
        let x: UnsafePointer<Element> = operands.input(0) + row * size
        let y: UnsafeMutablePointer<Element> = operands.output() + row * size
        var squares = 0.0
        for index in 0..<size { squares += Double(x[index]) * Double(x[index]) }
        let inverse = Element(1 / (squares / Double(size) + epsilon).squareRoot())
        scale.copyFirst(operands.input(1), to: y)
        for index in 0..<size { y[index] = x[index] * inverse * y[index] }
      }
    }
  }
}

/// `GroupNormalization`, and `InstanceNormalization`, where each channel is a group.
struct GroupNormalization<Element: FloatElement>: ShapedOperator {
  let groups: Int?
  let epsilon: Float

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    if input.elementCount == 0 { return .nothing }
    let channels = input[1]
    let groups = groups ?? channels
    if channels % groups != 0 { throw OperatorFailure.invalid("\(channels) channels in \(groups) groups") }
    let size = input.product(2..<input.rank)
    let perGroup = channels / groups
    let epsilon = Double(epsilon)
    return Kernel(
      "group_norm", units: input[0] * groups, costPerUnit: perGroup * size * 3, threads: request.threads
    ) { operands, range in
      let scale: UnsafePointer<Element> = operands.input(1)
      let bias: UnsafePointer<Element> = operands.input(2)
      for unit in range {
        let x: UnsafePointer<Element> = operands.input(0) + unit * perGroup * size
        let y: UnsafeMutablePointer<Element> = operands.output() + unit * perGroup * size
        let statistics = RowStatistics(x, count: perGroup * size)
        let inverse = 1 / (statistics.variance + epsilon).squareRoot()
        for channel in 0..<perGroup {
          let place = unit % groups * perGroup + channel
          let factor = Double(scale[place]) * inverse
          let offset = Double(bias[place]) - statistics.mean * factor
          for index in (channel * size)..<((channel + 1) * size) {
            y[index] = Element(Double(x[index]) * factor + offset)
          }
        }
      }
    }
  }
}

/// `LpNormalization`: divides by the L1 or L2 norm along one axis; a zero norm gives zero.
struct LpNormalization<Element: FloatElement>: ShapedOperator {
  let axis: Int
  let p: Int

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let view = try AxisView(try request.input(0).shape, axis: axis)
    if view.outer * view.inner * view.extent == 0 { return .nothing }
    let p = p
    return Kernel(
      "lp_norm", units: view.outer * view.inner, costPerUnit: view.extent * 3, threads: request.threads
    ) {
      operands, range in
      for unit in range {
        let x: UnsafePointer<Element> = operands.input(0) + view.start(of: unit)
        let y: UnsafeMutablePointer<Element> = operands.output() + view.start(of: unit)
        var sum = 0.0
        for index in 0..<view.extent {
          let value = Double(x[index * view.inner])
          sum += p == 1 ? abs(value) : value * value
        }
        let norm = p == 1 ? sum : sum.squareRoot()
        for index in 0..<view.extent {
          y[index * view.inner] = norm == 0 ? 0 : Element(Double(x[index * view.inner]) / norm)
        }
      }
    }
  }
}

/// `MeanVarianceNormalization`: mean 0 and variance 1 over the given axes.
struct MeanVarianceNormalization<Element: FloatElement>: ShapedOperator {
  let axes: [Int]

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    if input.elementCount == 0 { return .nothing }
    let resolved = try axes.map { axis throws(OperatorFailure) -> Int in
      guard let axis = input.axis(axis) else { throw .invalid("axis \(axis) is out of range") }
      return axis
    }
    let walk = ReductionWalk(input, axes: resolved)
    return Kernel(
      "mean_variance_norm", units: walk.outputCount, costPerUnit: walk.reducedCount * 4,
      threads: request.threads
    ) {
      operands, range in
      let x: UnsafePointer<Element> = operands.input(0)
      let y: UnsafeMutablePointer<Element> = operands.output()
      let count = Double(walk.reducedCount)
      for unit in range {
        var sum = 0.0
        walk.forEach(unit) { sum += Double(x[$0]) }
        let mean = sum / count
        var squares = 0.0
        walk.forEach(unit) { squares += (Double(x[$0]) - mean) * (Double(x[$0]) - mean) }
        let deviation = (squares / count).squareRoot() + 1e-9
        walk.forEach(unit) { y[$0] = Element((Double(x[$0]) - mean) / deviation) }
      }
    }
  }
}
