import GraphIR
import Tensors

extension EngineTable {
  static let cumulativeOperators: [OperatorEntry] = [("CumSum", false), ("CumProd", true)].map {
    name, isProduct in
    OperatorEntry(OperatorName(type: name), types: .numbers) { source in
      try source.element(0, in: .numbers).withArithmetic(
        CumulativeFactory(attributes: try CumulativeAttributes(source.node), isProduct: isProduct))
    }
  }
}

private struct CumulativeFactory: ArithmeticVisitor {
  let attributes: CumulativeAttributes
  let isProduct: Bool
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    CumulativeOperator<Element>(attributes: attributes, isProduct: isProduct)
  }
}

/// `CumSum` and `CumProd`: running sums or products along an axis that comes as an input.
private struct CumulativeOperator<Element: ArithmeticElement>: ShapedOperator {
  let attributes: CumulativeAttributes
  let isProduct: Bool

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    if shape.elementCount == 0 { return .nothing }
    let name = isProduct ? "cumprod" : "cumsum"
    if request.constant(1) != nil {
      guard let axis = try request.integers(1).first else {
        throw OperatorFailure.invalid("the axis is missing")
      }
      let view = try AxisView(shape, axis: axis)
      return Kernel(
        name, units: view.outer * view.inner, costPerUnit: view.extent * 2, threads: request.threads
      ) { operands, range in
        for line in range { accumulate(line, view, operands) }
      }
    }
    let reader = try IndexReader(try request.input(1))
    return Kernel(name) { operands, _ in
      let view = try AxisView(shape, axis: reader(operands, 1, 0))
      for line in 0..<(view.outer * view.inner) { accumulate(line, view, operands) }
    }
  }

  private func accumulate(_ line: Int, _ view: AxisView, _ operands: KernelOperands) {
    let x = operands.input(0, as: Element.self) + view.start(of: line)
    let y = operands.output(0, as: Element.self) + view.start(of: line)
    var total = isProduct ? Element.one : Element.zero
    for position in 0..<view.extent {
      let index = (attributes.isReversed ? view.extent - 1 - position : position) * view.inner
      let next =
        isProduct ? Element.wrappingMultiply(total, x[index]) : Element.wrappingAdd(total, x[index])
      y[index] = attributes.isExclusive ? total : next
      total = next
    }
  }
}
