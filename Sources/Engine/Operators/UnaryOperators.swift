import CKernels
import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let unaryOperators: [OperatorEntry] =
    vectorizedUnaries.map(vectorized) + scalarUnaries.map(scalar) + signedUnaries + predicates

  private static func vectorized(_ name: String) -> OperatorEntry {
    OperatorEntry(OperatorName(type: name), types: .floats) { source in
      if source.element(0) == .float32,
        let activation = try Activation(node: source.node, constant: { _ in nil })
      {
        return VectorUnary(name: name, activation: activation)
      }
      return try ScalarUnary(source, name)
    }
  }

  private static func scalar(_ name: String) -> OperatorEntry {
    OperatorEntry(OperatorName(type: name), types: .floats) { try ScalarUnary($0, name) }
  }

  private static let signedUnaries: [OperatorEntry] = [
    OperatorEntry("Relu", types: .floats + .signedIntegers, make: signedUnary),
    OperatorEntry("Abs", types: .numbers, make: signedUnary),
    OperatorEntry("Neg", types: .floats + .signedIntegers, make: signedUnary),
    OperatorEntry("Sign", types: .numbers, make: signedUnary),
    OperatorEntry("Clip", types: .numbers) { source in
      if source.element(0) == .float32 { return VectorClip() }
      return try source.element(0, in: .numbers).withArithmetic(ClipFactory())
    },
    OperatorEntry("Erf", types: .numbers) { source in
      if source.element(0) == .float32, let activation = Activation("Erf", alpha: 0, beta: 0) {
        return VectorUnary(name: "Erf", activation: activation)
      }
      return try source.element(0, in: .numbers).withArithmetic(
        MapFactory(name: "erf", function: ScalarFunctions.function(source.node)))
    },
    OperatorEntry("Shrink", types: .numbers) { source in
      try source.element(0, in: .numbers).withArithmetic(
        MapFactory(name: "shrink", function: ScalarFunctions.shrink(source.node)))
    },
    OperatorEntry("BitwiseNot", types: .integers) { source in
      try source.element(0, in: .integers).withBits(BitwiseNotFactory())
    },
  ]

  private static let predicates: [OperatorEntry] = [
    OperatorEntry("Not", types: [.bool]) { _ in MapOperator<Bool, Bool>(name: "not") { !$0 } },
    OperatorEntry("IsNaN", types: .floats) { source in
      if source.element(0) == .float32 { return MapOperator<Float, Bool>(name: "is_nan") { $0.isNaN } }
      return MapOperator<Double, Bool>(name: "is_nan") { $0.isNaN }
    },
    OperatorEntry("IsInf", types: .floats) { source in
      let attributes = try IsInfAttributes(source.node)
      let (negative, positive) = (attributes.detectNegative, attributes.detectPositive)
      if source.element(0) == .float32 {
        return MapOperator<Float, Bool>(name: "is_inf") { $0.isInfinite && ($0 < 0 ? negative : positive) }
      }
      return MapOperator<Double, Bool>(name: "is_inf") { $0.isInfinite && ($0 < 0 ? negative : positive) }
    },
  ]

  private static let vectorizedUnaries = [
    "LeakyRelu", "Elu", "HardSigmoid", "HardSwish", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round", "Exp",
    "Log", "Tanh", "Sigmoid", "Gelu", "Swish", "Softplus",
  ]

  private static let scalarUnaries = [
    "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Softsign",
    "Celu",
    "Selu", "ThresholdedRelu", "Mish",
  ]

  @Sendable
  private static func signedUnary(_ source: OperatorSource) throws -> any ShapedOperator {
    let name = source.node.op.type
    if source.element(0) == .float32, let activation = Activation(name, alpha: 0, beta: 0) {
      return VectorUnary(name: name, activation: activation)
    }
    return try source.element(0, in: .numbers).withArithmetic(SignedUnaryFactory(name: name))
  }
}

/// A unary operator that a vector kernel computes.
struct VectorUnary: ShapedOperator {
  let name: String
  let activation: Activation

  var inPlaceInputs: [Int] { [0] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let activation = activation
    return Kernel(
      Kernels.name(name), units: try request.output().elementCount, costPerUnit: 2, threads: request.threads
    ) { operands, range in
      activation.apply(
        operands.input(0) + range.lowerBound, operands.output() + range.lowerBound, count: range.count)
    }
  }
}

/// A function of one element, applied to each.
struct MapOperator<From: TensorElement, To: TensorElement>: ShapedOperator {
  let name: String
  var cost = 2
  let function: @Sendable (From) -> To

  var inPlaceInputs: [Int] { [0] }

  @_specialize(where From == Float, To == Float)
  @_specialize(where From == Double, To == Double)
  @_specialize(where From == Int64, To == Int64)
  @_specialize(where From == Int32, To == Int32)
  @_specialize(where From == Bool, To == Bool)
  @_specialize(where From == Float, To == Bool)
  @_specialize(where From == Double, To == Bool)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let function = function
    return Kernel(
      name, units: try request.output().elementCount, costPerUnit: cost, threads: request.threads
    ) { operands, range in
      let x: UnsafePointer<From> = operands.input(0)
      let y: UnsafeMutablePointer<To> = operands.output()
      for index in range { y[index] = function(x[index]) }
    }
  }
}

/// A float function without a vector kernel, or on float64: computed in double precision element by element.
struct ScalarUnary: ShapedOperator {
  let name: String
  private let function: @Sendable (Double) -> Double
  private let isDouble: Bool

  init(_ source: OperatorSource, _ name: String) throws {
    self.name = name
    isDouble = source.element(0) == .float64
    function = try ScalarFunctions.function(source.node)
  }

  var inPlaceInputs: [Int] { [0] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let function = function
    let base: any ShapedOperator =
      isDouble
      ? MapOperator<Double, Double>(name: name, cost: 16, function: function)
      : MapOperator<Float, Float>(name: name, cost: 16) { Float(function(Double($0))) }
    return try base.prepare(request)
  }
}

private struct SignedUnaryFactory: ArithmeticVisitor {
  let name: String

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    let zero = Element.zero
    let one = Element.one
    switch name {
    case "Relu": return MapOperator<Element, Element>(name: name) { $0 < zero ? zero : $0 }
    case "Abs":
      return MapOperator<Element, Element>(name: name) {
        $0 <= zero ? Element.wrappingSubtract(zero, $0) : $0
      }
    case "Neg":
      return MapOperator<Element, Element>(name: name) { Element.wrappingMultiply($0, Element(scale: -1)) }
    default:
      let minusOne = Element(scale: -1)
      return MapOperator<Element, Element>(name: name) { $0 > zero ? one : $0 < zero ? minusOne : $0 }
    }
  }
}

/// A function in double precision; results become integers towards zero.
private struct MapFactory: ArithmeticVisitor {
  let name: String
  let function: @Sendable (Double) -> Double

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    let function = function
    return MapOperator<Element, Element>(name: name) { Element(saturating: function($0.asDouble)) }
  }
}

private struct ClipFactory: ArithmeticVisitor {
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    ClipOperator<Element>()
  }
}

/// `Clip` of float32, as `ClipOperator` has it.
struct VectorClip: ShapedOperator {
  var inPlaceInputs: [Int] { [0] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let (hasLow, hasHigh) = (request.hasInput(1), request.hasInput(2))
    return Kernel(
      Kernels.name("clip"), units: try request.output().elementCount, costPerUnit: 2, threads: request.threads
    ) { operands, range in
      Kernels.current.clip_f32(
        operands.input(0) + range.lowerBound, operands.output() + range.lowerBound, range.count,
        hasLow ? operands.input(1, as: Float.self)[0] : -.infinity,
        hasHigh ? operands.input(2, as: Float.self)[0] : .infinity)
    }
  }
}

/// `Clip`: the limits are inputs 1 and 2, both optional; when they cross, the upper one wins.
struct ClipOperator<Element: ArithmeticElement>: ShapedOperator {
  var inPlaceInputs: [Int] { [0] }

  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  @_specialize(where Element == Int8)
  @_specialize(where Element == UInt8)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let (hasLow, hasHigh) = (request.hasInput(1), request.hasInput(2))
    return Kernel(
      "clip", units: try request.output().elementCount, costPerUnit: 2, threads: request.threads
    ) { operands, range in
      let x: UnsafePointer<Element> = operands.input(0)
      let y: UnsafeMutablePointer<Element> = operands.output()
      let low = hasLow ? operands.input(1, as: Element.self)[0] : nil
      let high = hasHigh ? operands.input(2, as: Element.self)[0] : nil
      for index in range {
        var value = x[index]
        if let low, value < low { value = low }
        if let high, value > high { value = high }
        y[index] = value
      }
    }
  }
}

private struct BitwiseNotFactory: BitsVisitor {
  func visit<Element: FixedWidthInteger & TensorElement>(_: Element.Type) throws -> any ShapedOperator {
    MapOperator<Element, Element>(name: "bitwise_not") { ~$0 }
  }
}

/// Something that is made for one integer type.
protocol BitsVisitor {
  associatedtype Result
  func visit<Element: FixedWidthInteger & TensorElement>(_ type: Element.Type) throws -> Result
}

extension ElementType {
  /// Calls `visitor` with the Swift type of this integer type.
  /// - Throws: `OperatorFailure.type` for other types.
  func withBits<Visitor: BitsVisitor>(_ visitor: Visitor) throws -> Visitor.Result {
    switch self {
    case .int8: try visitor.visit(Int8.self)
    case .int16: try visitor.visit(Int16.self)
    case .int32: try visitor.visit(Int32.self)
    case .int64: try visitor.visit(Int64.self)
    case .uint8: try visitor.visit(UInt8.self)
    case .uint16: try visitor.visit(UInt16.self)
    case .uint32: try visitor.visit(UInt32.self)
    case .uint64: try visitor.visit(UInt64.self)
    default: throw OperatorFailure.type(self)
    }
  }
}
