import CKernels
import GraphIR
import Tensors

extension EngineTable {
  static let selectionOperators: [OperatorEntry] = [
    OperatorEntry("Where", types: .byteSized, typedInput: 1, widensHalves: false) { source in
      try WhereOperator(width: source.element(1, in: .byteSized).bitWidth / 8)
    },
    variadic("Sum", types: .floats), variadic("Mean", types: .floats), variadic("Min", types: .numbers),
    variadic("Max", types: .numbers),
  ]

  private static func variadic(_ name: String, types: [ElementType]) -> OperatorEntry {
    OperatorEntry(OperatorName(type: name), types: types) { source in
      if source.element(0) == .float32, let function = VectorBinary.function(name == "Mean" ? "Sum" : name) {
        return VariadicVector(name: name, function: function)
      }
      return try source.element(0, in: types).withArithmetic(VariadicFactory(name: name))
    }
  }
}

/// `Where`: elements are moved as plain bytes of their width.
struct WhereOperator: ShapedOperator {
  let width: Int

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let plan = BroadcastPlan(try (0..<3).map { try request.input($0).shape }, output: output)
    return switch width {
    case 1: kernel(plan, UInt8.self, request.threads)
    case 2: kernel(plan, UInt16.self, request.threads)
    case 4: kernel(plan, UInt32.self, request.threads)
    case 8: kernel(plan, UInt64.self, request.threads)
    default: kernel(plan, (UInt64, UInt64).self, request.threads)
    }
  }

  private func kernel<Bits>(_ plan: BroadcastPlan, _: Bits.Type, _ threads: Int) -> Kernel {
    Kernel("where", units: plan.units, costPerUnit: plan.elementsPerUnit, threads: threads) {
      operands, range in
      let condition: UnsafePointer<Bool> = operands.input(0)
      let yes: UnsafePointer<Bits> = operands.input(1)
      let no: UnsafePointer<Bits> = operands.input(2)
      let result: UnsafeMutablePointer<Bits> = operands.output()
      let (first, second, third) = (plan.steps[0], plan.steps[1], plan.steps[2])
      plan.forEachBlock(range) { block in
        for row in 0..<block.rows {
          let c = condition + block.offsets.0 + row * plan.rowStride(0)
          let a = yes + block.offsets.1 + row * plan.rowStride(1)
          let b = no + block.offsets.2 + row * plan.rowStride(2)
          let y = result + block.outputOffset + row * block.columns
          for column in 0..<block.columns {
            y[column] = c[column * first] ? a[column * second] : b[column * third]
          }
        }
      }
    }
  }
}

/// `Sum`, `Mean`, `Min` or `Max` of any number of float32 inputs: folded one input at a time into the output.
struct VariadicVector: ShapedOperator {
  let name: String
  let function: VectorBinary.Function

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let plans = try request.inputs.indices.map { index in
      BroadcastPlan([output, try request.input(index).shape], output: output)
    }
    let function = function
    let divisor: Float? = name == "Mean" ? Float(plans.count) : nil
    let count = output.elementCount
    let spread = BroadcastPlan([try request.input(0).shape], output: output)
    return Kernel(Kernels.name(name)) { operands, _ in
      let y: UnsafeMutablePointer<Float> = operands.output()
      spread.copyFirst(operands.input(0), to: y)
      for index in plans.indices.dropFirst() {
        let plan = plans[index]
        let x: UnsafePointer<Float> = operands.input(index)
        plan.forEachBlock(0..<plan.units) { block in
          function(
            block.rows, block.columns, y + block.offsets.0, plan.rowStride(0), plan.steps[0],
            x + block.offsets.1, plan.rowStride(1), plan.steps[1], y + block.outputOffset, block.columns)
        }
      }
      if let divisor { for index in 0..<count { y[index] /= divisor } }
    }
  }
}

extension BroadcastPlan {
  /// Spreads operand 0 over the output's shape.
  func copyFirst<Element>(_ source: UnsafePointer<Element>, to destination: UnsafeMutablePointer<Element>) {
    forEachBlock(0..<units) { block in
      for row in 0..<block.rows {
        let from = source + block.offsets.0 + row * rowStride(0)
        let to = destination + block.outputOffset + row * block.columns
        for column in 0..<block.columns { to[column] = from[column * steps[0]] }
      }
    }
  }
}

private struct VariadicFactory: ArithmeticVisitor {
  let name: String

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    switch name {
    case "Min": VariadicMap<Element>(name: name, divides: false) { Element.lesser($0, $1) }
    case "Max": VariadicMap<Element>(name: name, divides: false) { Element.greater($0, $1) }
    default: VariadicMap<Element>(name: name, divides: name == "Mean") { Element.wrappingAdd($0, $1) }
    }
  }
}

/// The same for other number types.
private struct VariadicMap<Element: ArithmeticElement>: ShapedOperator {
  let name: String
  let divides: Bool
  let function: @Sendable (Element, Element) -> Element

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let plans = try request.inputs.indices.map {
      BroadcastPlan([try request.input($0).shape], output: output)
    }
    let function = function
    let divisor: Element? = divides ? Element(scale: Float(plans.count)) : nil
    let count = output.elementCount
    return Kernel(name) { operands, _ in
      let y: UnsafeMutablePointer<Element> = operands.output()
      plans[0].copyFirst(operands.input(0), to: y)
      for index in plans.indices.dropFirst() {
        let plan = plans[index]
        let x: UnsafePointer<Element> = operands.input(index)
        plan.forEachBlock(0..<plan.units) { block in
          for row in 0..<block.rows {
            let from = x + block.offsets.0 + row * plan.rowStride(0)
            let to = y + block.outputOffset + row * block.columns
            for column in 0..<block.columns {
              to[column] = function(to[column], from[column * plan.steps[0]])
            }
          }
        }
      }
      if let divisor { for index in 0..<count { y[index] = Element.divide(y[index], divisor) } }
    }
  }
}
