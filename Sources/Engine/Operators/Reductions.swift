import CKernels
import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let reductionOperators: [OperatorEntry] =
    ReductionKind.allCases.map { kind in
      OperatorEntry(OperatorName(type: "Reduce" + kind.rawValue), types: .numbers + [.bool]) { source in
        if source.element(0) == .bool {
          return ReduceBool(takesMaximum: kind == .max)
        }
        return try source.element(0, in: .numbers).withArithmetic(ReductionFactory(kind: kind))
      }
    }
}

enum ReductionKind: String, CaseIterable, Sendable {
  case sum = "Sum", mean = "Mean", max = "Max", min = "Min", prod = "Prod", sumSquare = "SumSquare", l1 = "L1"
  case l2 = "L2", logSum = "LogSum", logSumExp = "LogSumExp"
}

private struct ReductionFactory: ArithmeticVisitor {
  let kind: ReductionKind

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    Reduce<Element>(kind: kind)
  }
}

/// The elements that a `Reduce…` node combines.
private func reductionWalk(_ request: PrepareRequest) throws -> ReductionWalk {
  let input = try request.input(0).shape
  let axes = request.hasInput(1) ? try request.integers(1) : nil
  let resolved = try ReductionAttributes(request.node).resolve(axes: axes, rank: input.rank, request.node)
  return ReductionWalk(input, axes: resolved)
}

/// The `Reduce…` operators. Floats are added up in double precision, integers wrap around.
struct Reduce<Element: ArithmeticElement>: ShapedOperator {
  let kind: ReductionKind

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let walk = try reductionWalk(request)
    if walk.outputCount == 0 { return .nothing }
    if Element.self == Float.self, walk.reducedCount > 0,
      let kernel = VectorReduction(kind, walk).kernel(request.threads)
    {
      return kernel
    }
    let name = "reduce_" + kind.rawValue
    switch kind {
    case .max: return fold(name, walk, request, start: nil, Element.greater)
    case .min: return fold(name, walk, request, start: nil, Element.lesser)
    case .sum where !isFloat: return fold(name, walk, request, start: .zero, Element.wrappingAdd)
    case .prod where !isFloat: return fold(name, walk, request, start: .one, Element.wrappingMultiply)
    case .sumSquare where !isFloat:
      return fold(name, walk, request, start: .zero) {
        Element.wrappingAdd($0, Element.wrappingMultiply($1, $1))
      }
    case .l1 where !isFloat:
      return fold(name, walk, request, start: .zero) {
        Element.wrappingAdd($0, $1 < .zero ? Element.wrappingSubtract(.zero, $1) : $1)
      }
    default: return precise(name, walk, request)
    }
  }

  private var isFloat: Bool { Element.elementType.isFloatingPoint }

  /// - Parameter start: nil begins with the first element; nothing to reduce then gives the type's extreme.
  private func fold(
    _ name: String, _ walk: ReductionWalk, _ request: PrepareRequest, start: Element?,
    _ combine: @escaping (Element, Element) -> Element
  ) -> Kernel {
    let identity = start ?? (kind == .max ? Element(saturating: -.infinity) : Element(saturating: .infinity))
    return Kernel(name, units: walk.outputCount, costPerUnit: walk.reducedCount * 3, threads: request.threads)
    {
      operands, range in
      let x: UnsafePointer<Element> = operands.input(0)
      for output in range {
        var result = identity
        walk.forEach(output) { result = combine(result, x[$0]) }
        operands.output(0, as: Element.self)[output] = result
      }
    }
  }

  private func precise(_ name: String, _ walk: ReductionWalk, _ request: PrepareRequest) -> Kernel {
    let kind = kind
    return Kernel(name, units: walk.outputCount, costPerUnit: walk.reducedCount * 4, threads: request.threads)
    {
      operands, range in
      let x: UnsafePointer<Element> = operands.input(0)
      for output in range {
        operands.output(0, as: Element.self)[output] = Element(
          saturating: kind.value(walk, output) { x[$0].asDouble })
      }
    }
  }
}

extension ReductionKind {
  /// The reduction of one output's elements in double precision.
  @inline(__always)
  func value(_ walk: ReductionWalk, _ output: Int, _ element: (Int) -> Double) -> Double {
    switch self {
    case .sum, .mean, .logSum:
      var sum = 0.0
      walk.forEach(output) { sum += element($0) }
      return self == .sum ? sum : self == .mean ? sum / Double(walk.reducedCount) : log(sum)
    case .prod:
      var product = 1.0
      walk.forEach(output) { product *= element($0) }
      return product
    case .sumSquare, .l2:
      var sum = 0.0
      walk.forEach(output) { sum += element($0) * element($0) }
      return self == .l2 ? sum.squareRoot() : sum
    case .l1:
      var sum = 0.0
      walk.forEach(output) { sum += abs(element($0)) }
      return sum
    case .logSumExp:
      var top = -Double.infinity
      walk.forEach(output) { top = Double.greater(top, element($0)) }
      if top == -.infinity || top == .infinity { return top }
      var sum = 0.0
      walk.forEach(output) { sum += exp(element($0) - top) }
      return log(sum) + top
    case .max, .min:
      var best = self == .max ? -Double.infinity : .infinity
      walk.forEach(output) {
        best = self == .max ? Double.greater(best, element($0)) : Double.lesser(best, element($0))
      }
      return best
    }
  }
}

/// Float32 reductions that vector kernels compute: of contiguous elements, or of whole rows.
private struct VectorReduction {
  let kind: ReductionKind
  let walk: ReductionWalk

  init(_ kind: ReductionKind, _ walk: ReductionWalk) {
    self.kind = kind
    self.walk = walk
  }

  func kernel(_ threads: Int) -> Kernel? {
    if walk.isContiguous { return contiguous(threads) }
    if let rows = walk.rows { return rowwise(rows, threads) }
    return nil
  }

  private func contiguous(_ threads: Int) -> Kernel? {
    let table = Kernels.current
    let function: @convention(c) (UnsafePointer<Float>, Int) -> Float
    switch kind {
    case .sum, .mean: function = table.sum_f32
    case .max: function = table.maximum_f32
    case .min: function = table.minimum_f32
    case .sumSquare, .l2: function = table.sum_of_squares_f32
    default: return nil
    }
    let (kind, count) = (kind, walk.reducedCount)
    return Kernel(
      Kernels.name("reduce_" + kind.rawValue), units: walk.outputCount, costPerUnit: count / 4 + 1,
      threads: threads
    ) { operands, range in
      for output in range {
        let value = function(operands.input(0) + output * count, count)
        operands.output(0, as: Float.self)[output] =
          kind == .mean ? value / Float(count) : kind == .l2 ? value.squareRoot() : value
      }
    }
  }

  private func rowwise(_ rows: (outer: Int, rows: Int, columns: Int), _ threads: Int) -> Kernel? {
    let table = Kernels.current
    let function: VectorBinary.Function
    switch kind {
    case .sum, .mean: function = table.add_f32
    case .max: function = table.max_f32
    case .min: function = table.min_f32
    default: return nil
    }
    let isMean = kind == .mean
    let columns = rows.columns
    return Kernel(
      Kernels.name("reduce_rows_" + kind.rawValue), units: rows.outer,
      costPerUnit: rows.rows * columns / 4 + 1,
      threads: threads
    ) { operands, range in
      for block in range {
        let x: UnsafePointer<Float> = operands.input(0) + block * rows.rows * columns
        let y: UnsafeMutablePointer<Float> = operands.output() + block * columns
        y.update(from: x, count: columns)
        for row in 1..<max(1, rows.rows) {
          function(1, columns, y, 0, 1, x + row * columns, 0, 1, y, 0)
        }
        if isMean { for column in 0..<columns { y[column] /= Float(rows.rows) } }
      }
    }
  }
}

/// `ReduceMax` (any) and `ReduceMin` (all) of booleans.
private struct ReduceBool: ShapedOperator {
  let takesMaximum: Bool

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let walk = try reductionWalk(request)
    if walk.outputCount == 0 { return .nothing }
    let takesMaximum = takesMaximum
    return Kernel(
      "reduce_bool", units: walk.outputCount, costPerUnit: walk.reducedCount, threads: request.threads
    ) {
      operands, range in
      let x: UnsafePointer<Bool> = operands.input(0)
      for output in range {
        var result = !takesMaximum
        walk.forEach(output) { result = takesMaximum ? result || x[$0] : result && x[$0] }
        operands.output(0, as: Bool.self)[output] = result
      }
    }
  }
}
