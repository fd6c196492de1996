import GraphIR
import Tensors

/// What the factory of an operator is told: the node and the types that inference found.
struct OperatorSource {
  let node: Node
  let inputs: [ValueType?]
  let outputs: [ValueType?]
  /// For operators with sub-graphs, which are compiled with the node.
  var options = CompileOptions()

  /// The element type of input `index`; nil when it is omitted.
  func element(_ index: Int) -> ElementType? { index < inputs.count ? inputs[index]?.tensor?.element : nil }

  func outputElement(_ index: Int = 0) -> ElementType? {
    index < outputs.count ? outputs[index]?.tensor?.element : nil
  }

  /// The element type of input `index`, which must be one of `allowed`.
  @discardableResult
  func element(_ index: Int, in allowed: [ElementType]) throws -> ElementType {
    guard let element = element(index) else { throw OperatorFailure.invalid("input \(index) is no tensor") }
    if !allowed.contains(element) { throw OperatorFailure.type(element) }
    return element
  }
}

extension [ElementType] {
  static let single: [ElementType] = [.float32]
  static let floats: [ElementType] = [.float32, .float64]
  static let halves: [ElementType] = [.float16, .bfloat16]
  static let signedIntegers: [ElementType] = [.int8, .int16, .int32, .int64]
  static let unsignedIntegers: [ElementType] = [.uint8, .uint16, .uint32, .uint64]
  static let integers = signedIntegers + unsignedIntegers
  static let numbers = floats + integers
  /// All types whose elements are whole bytes, to be moved without being understood.
  static let byteSized: [ElementType] = ElementType.allCases.filter { $0.bitWidth >= 8 }
  static let eightBit: [ElementType] = [.int8, .uint8]
}
