import CKernels
import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let binaryOperators: [OperatorEntry] =
    ["Add", "Sub", "Mul", "Div"].map(arithmetic)
    + ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"].map(comparison) + otherBinaries

  private static func arithmetic(_ name: String) -> OperatorEntry {
    OperatorEntry(OperatorName(type: name), types: .numbers) { source in
      if source.element(0) == .float32, let function = VectorBinary.function(name) {
        return VectorBinary(name: name, function: function)
      }
      return try source.element(0, in: .numbers).withArithmetic(ArithmeticFactory(name: name))
    }
  }

  private static func comparison(_ name: String) -> OperatorEntry {
    OperatorEntry(OperatorName(type: name), types: .numbers + [.bool]) { source in
      if source.element(0) == .bool { return BinaryMap<Bool, Bool, Bool>(name: name) { $0 == $1 } }
      return try source.element(0, in: .numbers).withArithmetic(ComparisonFactory(name: name))
    }
  }

  private static let otherBinaries: [OperatorEntry] = [
    logic("And") { $0 && $1 },
    logic("Or") { $0 || $1 },
    logic("Xor") { $0 != $1 },
    OperatorEntry("BitwiseAnd", types: .integers, make: bits),
    OperatorEntry("BitwiseOr", types: .integers, make: bits),
    OperatorEntry("BitwiseXor", types: .integers, make: bits),
    OperatorEntry("BitShift", types: .unsignedIntegers, make: bits),
    OperatorEntry("Mod", types: .numbers, make: modulo),
    OperatorEntry("Pow", types: [.float32, .float64, .int32, .int64], mixesFloats: true) { source in
      try source.element(0, in: .numbers).withArithmetic(
        PowFactory(exponent: try source.element(1, in: .numbers)))
    },
    OperatorEntry("PRelu", types: .numbers) { source in
      try source.element(0, in: .numbers).withArithmetic(PReluFactory())
    },
  ]

  @Sendable private static func modulo(_ source: OperatorSource) throws -> any ShapedOperator {
    switch source.element(0) {
    case .float32: return BinaryMap<Float, Float, Float>(name: "Mod", cost: 16) { fmodf($0, $1) }
    case .float64: return BinaryMap<Double, Double, Double>(name: "Mod", cost: 16) { fmod($0, $1) }
    default:
      let isFmod = try ModAttributes(source.node).isFmod
      return try source.element(0, in: .integers).withBits(ModFactory(isFmod: isFmod))
    }
  }

  private static func logic(_ name: String, _ function: @escaping @Sendable (Bool, Bool) -> Bool)
    -> OperatorEntry
  {
    OperatorEntry(OperatorName(type: name), types: [.bool]) { _ in
      BinaryMap<Bool, Bool, Bool>(name: name, function: function)
    }
  }

  @Sendable private static func bits(_ source: OperatorSource) throws -> any ShapedOperator {
    try source.element(0, in: .integers).withBits(BitwiseFactory(node: source.node))
  }
}

/// A binary float32 operator that a vector kernel computes.
struct VectorBinary: ShapedOperator {
  typealias Function =
    @convention(c) (
      Int, Int, UnsafePointer<Float>, Int, Int, UnsafePointer<Float>, Int, Int, UnsafeMutablePointer<Float>,
      Int
    ) -> Void

  let name: String
  let function: Function

  static func function(_ name: String) -> Function? {
    switch name {
    case "Add", "Sum": Kernels.current.add_f32
    case "Sub": Kernels.current.sub_f32
    case "Mul": Kernels.current.mul_f32
    case "Div": Kernels.current.div_f32
    case "Min": Kernels.current.min_f32
    case "Max": Kernels.current.max_f32
    default: nil
    }
  }

  var inPlaceInputs: [Int] { [0, 1] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let plan = BroadcastPlan([try request.input(0).shape, try request.input(1).shape], output: output)
    let function = function
    return Kernel(
      Kernels.name(name), units: plan.units, costPerUnit: plan.elementsPerUnit, threads: request.threads
    ) { operands, range in
      let a: UnsafePointer<Float> = operands.input(0)
      let b: UnsafePointer<Float> = operands.input(1)
      let y: UnsafeMutablePointer<Float> = operands.output()
      plan.forEachBlock(range) { block in
        function(
          block.rows, block.columns, a + block.offsets.0, plan.rowStride(0), plan.steps[0],
          b + block.offsets.1,
          plan.rowStride(1), plan.steps[1], y + block.outputOffset, block.columns)
      }
    }
  }
}

/// A function of two elements, with numpy broadcasting.
struct BinaryMap<Left: TensorElement, Right: TensorElement, To: TensorElement>: ShapedOperator {
  let name: String
  var cost = 2
  let function: @Sendable (Left, Right) -> To

  init(name: String, cost: Int = 2, function: @escaping @Sendable (Left, Right) -> To) {
    self.name = name
    self.cost = cost
    self.function = function
  }

  var inPlaceInputs: [Int] { [0, 1] }

  @_specialize(where Left == Float, Right == Float, To == Float)
  @_specialize(where Left == Double, Right == Double, To == Double)
  @_specialize(where Left == Int64, Right == Int64, To == Int64)
  @_specialize(where Left == Int32, Right == Int32, To == Int32)
  @_specialize(where Left == UInt8, Right == UInt8, To == UInt8)
  @_specialize(where Left == Bool, Right == Bool, To == Bool)
  @_specialize(where Left == Float, Right == Float, To == Bool)
  @_specialize(where Left == Double, Right == Double, To == Bool)
  @_specialize(where Left == Int64, Right == Int64, To == Bool)
  @_specialize(where Left == Int32, Right == Int32, To == Bool)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let plan = BroadcastPlan([try request.input(0).shape, try request.input(1).shape], output: output)
    let function = function
    return Kernel(
      name, units: plan.units, costPerUnit: plan.elementsPerUnit * cost, threads: request.threads
    ) { operands, range in
      let left: UnsafePointer<Left> = operands.input(0)
      let right: UnsafePointer<Right> = operands.input(1)
      let result: UnsafeMutablePointer<To> = operands.output()
      let (leftStep, rightStep) = (plan.steps[0], plan.steps[1])
      plan.forEachBlock(range) { block in
        for row in 0..<block.rows {
          let a = left + block.offsets.0 + row * plan.rowStride(0)
          let b = right + block.offsets.1 + row * plan.rowStride(1)
          let y = result + block.outputOffset + row * block.columns
          for column in 0..<block.columns {
            y[column] = function(a[column * leftStep], b[column * rightStep])
          }
        }
      }
    }
  }
}
