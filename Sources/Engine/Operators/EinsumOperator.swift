import GraphIR
import Tensors

extension EngineTable {
  static let einsumOperators: [OperatorEntry] = [
    OperatorEntry("Einsum", types: .numbers) { source in
      try source.element(0, in: .numbers).withArithmetic(
        EinsumFactory(equation: try EinsumEquation(source.node)))
    },
    OperatorEntry("Det", types: .floats) { source in
      if source.element(0) == .float32 { return DeterminantOperator<Float>() }
      return DeterminantOperator<Double>()
    },
  ]
}

private struct EinsumFactory: ArithmeticVisitor {
  let equation: EinsumEquation
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    EinsumOperator<Element>(equation: equation)
  }
}

/// `Einsum`: for each output element the sum, over all labels that the output lacks, of the inputs' products.
struct EinsumOperator<Element: ArithmeticElement>: ShapedOperator {
  let equation: EinsumEquation

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let plan = try EinsumPlan(
      equation, try request.inputs.indices.map { try request.input($0).shape }, output)
    return Kernel(
      "einsum", units: output.elementCount, costPerUnit: max(1, plan.sumCount) * plan.inputCount * 2,
      threads: request.threads
    ) { operands, range in
      let result: UnsafeMutablePointer<Element> = operands.output()
      for position in range {
        result[position] =
          plan.inputCount == 2 ? Self.pairs(plan, operands, position) : Self.sum(plan, operands, position)
      }
    }
  }

  /// One output element of any number of inputs.
  @inline(__always)
  private static func sum(_ plan: EinsumPlan, _ operands: KernelOperands, _ position: Int) -> Element {
    var total = Element.zero
    for step in 0..<plan.sumCount {
      var product = Element.one
      for input in 0..<plan.inputCount {
        let offset = plan.outputOffset(position, input) + plan.sumOffset(step, input)
        product = Element.wrappingMultiply(product, operands.input(input, as: Element.self)[offset])
      }
      total = Element.wrappingAdd(total, product)
    }
    return total
  }

  /// One output element of two inputs, whose places are found once for each walk along the last label of the sum.
  @inline(__always)
  private static func pairs(_ plan: EinsumPlan, _ operands: KernelOperands, _ position: Int) -> Element {
    var total = Element.zero
    let (aStep, bStep) = (plan.lastSumStride(0), plan.lastSumStride(1))
    let (aStart, bStart) = (plan.outputOffset(position, 0), plan.outputOffset(position, 1))
    for first in stride(from: 0, to: plan.sumCount, by: plan.lastSumExtent) {
      let a = operands.input(0, as: Element.self) + aStart + plan.sumOffset(first, 0)
      let b = operands.input(1, as: Element.self) + bStart + plan.sumOffset(first, 1)
      for step in 0..<plan.lastSumExtent {
        total = Element.wrappingAdd(total, Element.wrappingMultiply(a[step * aStep], b[step * bStep]))
      }
    }
    return total
  }
}

/// Where each input lies for each output element and each step of the sum.
private struct EinsumPlan: Sendable {
  let inputCount: Int
  let sumCount: Int
  private let outputExtents: [Int]
  /// For each input, its stride along each axis of the output.
  private let outputStrides: [[Int]]
  private let sumExtents: [Int]
  private let sumStrides: [[Int]]

  /// An axis by its label, or by its place from the end among those of the ellipsis.
  private enum Axis: Hashable {
    case label(UInt8)
    case spread(Int)
  }

  init(_ equation: EinsumEquation, _ inputs: [Shape], _ output: Shape) throws {
    inputCount = inputs.count
    var extents: [Axis: Int] = [:]
    var strides: [[Axis: Int]] = []
    for (term, shape) in zip(equation.inputs, inputs) {
      var own: [Axis: Int] = [:]
      for (position, axis) in Self.axes(term, rank: shape.rank).enumerated() {
        extents[axis] = max(extents[axis] ?? 0, shape[position])
        // A label that occurs twice walks the diagonal; an extent of 1 is broadcast.
        if shape[position] != 1 { own[axis, default: 0] += shape.strides[position] }
      }
      strides.append(own)
    }
    let outputAxes = Self.axes(equation.output, rank: output.rank)
    // In the order of the equation, so that every process adds in the same order.
    var sumAxes: [Axis] = []
    for (term, shape) in zip(equation.inputs, inputs) {
      for axis in Self.axes(term, rank: shape.rank)
      where !outputAxes.contains(axis) && !sumAxes.contains(axis) {
        sumAxes.append(axis)
      }
    }
    outputExtents = output.dimensions
    outputStrides = strides.map { own in outputAxes.map { own[$0] ?? 0 } }
    sumExtents = sumAxes.map { extents[$0] ?? 1 }
    sumStrides = strides.map { own in sumAxes.map { own[$0] ?? 0 } }
    sumCount = inputs.contains { $0.elementCount == 0 } ? 0 : sumExtents.reduce(1, *)
  }

  private static func axes(_ term: EinsumEquation.Term, rank: Int) -> [Axis] {
    let labels = term.labels.map(Axis.label)
    let spread = rank - labels.count
    let middle = (0..<spread).map { Axis.spread(spread - $0) }
    return Array(labels[..<term.ellipsisPosition]) + middle + Array(labels[term.ellipsisPosition...])
  }

  /// Extent of the last label of the sum; 1 when there is none.
  var lastSumExtent: Int { max(1, sumExtents.last ?? 1) }
  func lastSumStride(_ input: Int) -> Int { sumStrides[input].last ?? 0 }

  @inline(__always)
  func outputOffset(_ position: Int, _ input: Int) -> Int {
    Self.offset(position, outputExtents, outputStrides[input])
  }

  @inline(__always)
  func sumOffset(_ step: Int, _ input: Int) -> Int { Self.offset(step, sumExtents, sumStrides[input]) }

  @inline(__always)
  private static func offset(_ position: Int, _ extents: [Int], _ strides: [Int]) -> Int {
    var rest = position
    var offset = 0
    for axis in stride(from: extents.count - 1, through: 0, by: -1) {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: extents[axis])
      offset += index * strides[axis]
      rest = quotient
    }
    return offset
  }
}

/// `Det`: determinants by elimination with row exchanges.
struct DeterminantOperator<Element: ArithmeticElement>: ShapedOperator {
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    let side = shape[shape.rank - 1]
    let count = try request.output().elementCount
    if count == 0 { return .nothing }
    return Kernel(
      "det", units: count, costPerUnit: side * side * side + 1, threads: request.threads,
      threadScratch: side * side * MemoryLayout<Double>.stride
    ) { operands, range in
      let matrix = operands.threadScratch.assumingMemoryBound(to: Double.self)
      for index in range {
        let source = operands.input(0, as: Element.self) + index * side * side
        for place in 0..<(side * side) { matrix[place] = source[place].asDouble }
        operands.output(0, as: Element.self)[index] = Element(saturating: Self.determinant(matrix, side))
      }
    }
  }

  private static func determinant(_ matrix: UnsafeMutablePointer<Double>, _ side: Int) -> Double {
    var result = 1.0
    for column in 0..<side {
      var pivot = column
      for row in column..<side where abs(matrix[row * side + column]) > abs(matrix[pivot * side + column]) {
        pivot = row
      }
      if matrix[pivot * side + column] == 0 { return 0 }
      if pivot != column {
        for place in 0..<side {
          (matrix[pivot * side + place], matrix[column * side + place]) =
            (matrix[column * side + place], matrix[pivot * side + place])
        }
        result = -result
      }
      result *= matrix[column * side + column]
      for row in (column + 1)..<max(side, column + 1) {
        let factor = matrix[row * side + column] / matrix[column * side + column]
        for place in column..<side { matrix[row * side + place] -= factor * matrix[column * side + place] }
      }
    }
    return result
  }
}
