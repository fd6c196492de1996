import GraphIR
import Glibc
import Tensors

/// Add, Sub, Mul and Div of types without a vector kernel.
struct ArithmeticFactory: ArithmeticVisitor {
  let name: String

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    switch name {
    case "Add": BinaryMap<Element, Element, Element>(name: name) { Element.wrappingAdd($0, $1) }
    case "Sub": BinaryMap<Element, Element, Element>(name: name) { Element.wrappingSubtract($0, $1) }
    case "Mul": BinaryMap<Element, Element, Element>(name: name) { Element.wrappingMultiply($0, $1) }
    default: BinaryMap<Element, Element, Element>(name: name) { Element.divide($0, $1) }
    }
  }
}

/// Comparisons; false whenever a NaN takes part.
struct ComparisonFactory: ArithmeticVisitor {
  let name: String

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    switch name {
    case "Equal": BinaryMap<Element, Element, Bool>(name: name) { $0 == $1 }
    case "Greater": BinaryMap<Element, Element, Bool>(name: name) { $0 > $1 }
    case "Less": BinaryMap<Element, Element, Bool>(name: name) { $0 < $1 }
    case "GreaterOrEqual": BinaryMap<Element, Element, Bool>(name: name) { $0 >= $1 }
    default: BinaryMap<Element, Element, Bool>(name: name) { $0 <= $1 }
    }
  }
}

/// BitwiseAnd, BitwiseOr, BitwiseXor, BitShift.
struct BitwiseFactory: BitsVisitor {
  let node: Node

  func visit<Element: FixedWidthInteger & TensorElement>(_: Element.Type) throws -> any ShapedOperator {
    let name = node.op.type
    switch name {
    case "BitwiseAnd": return BinaryMap<Element, Element, Element>(name: name) { $0 & $1 }
    case "BitwiseOr": return BinaryMap<Element, Element, Element>(name: name) { $0 | $1 }
    case "BitwiseXor": return BinaryMap<Element, Element, Element>(name: name) { $0 ^ $1 }
    default:
      // Swift's shifts by the type's width or more give 0, as wanted.
      return try BitShiftAttributes(node).direction == .left
        ? BinaryMap<Element, Element, Element>(name: name) { $0 << $1 }
        : BinaryMap<Element, Element, Element>(name: name) { $0 >> $1 }
    }
  }
}

/// `Mod` of integers: the result has the divisor's sign, or with `fmod` the dividend's. Modulo 0 gives 0.
struct ModFactory: BitsVisitor {
  let isFmod: Bool

  func visit<Element: FixedWidthInteger & TensorElement>(_: Element.Type) throws -> any ShapedOperator {
    if isFmod {
      return BinaryMap<Element, Element, Element>(name: "Mod") { a, b in
        b == 0 ? 0 : a.remainderReportingOverflow(dividingBy: b).partialValue
      }
    }
    return BinaryMap<Element, Element, Element>(name: "Mod") { a, b in
      if b == 0 { return 0 }
      let remainder = a.remainderReportingOverflow(dividingBy: b).partialValue
      return remainder != 0 && (remainder < 0) != (b < 0) ? remainder &+ b : remainder
    }
  }
}

/// `Pow`: the result has the base's type; the exponent may be of any number type.
struct PowFactory: ArithmeticVisitor {
  let exponent: ElementType

  func visit<Base: ArithmeticElement>(_: Base.Type) throws -> any ShapedOperator {
    try exponent.withArithmetic(WithBase<Base>())
  }

  private struct WithBase<Base: ArithmeticElement>: ArithmeticVisitor {
    func visit<Exponent: ArithmeticElement>(_: Exponent.Type) throws -> any ShapedOperator {
      BinaryMap<Base, Exponent, Base>(name: "Pow", cost: 32) { base, exponent in
        Base(saturating: pow(base.asDouble, exponent.asDouble))
      }
    }
  }
}

/// `PRelu`: x where positive, else slope times x.
struct PReluFactory: ArithmeticVisitor {
  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> any ShapedOperator {
    let zero = Element.zero
    return BinaryMap<Element, Element, Element>(name: "PRelu") {
      $0 < zero ? Element.wrappingMultiply($0, $1) : $0
    }
  }
}
