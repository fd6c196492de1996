import Tensors

/// Reading the inputs of operators on owned values.
struct ValueInputs {
  /// The most elements that a sequence may have.
  static let sequenceLimit = 1 << 24

  let values: [RuntimeValue?]

  init(_ values: [RuntimeValue?]) { self.values = values }

  func optional(_ index: Int) -> RuntimeValue? { index < values.count ? values[index] : nil }

  func value(_ index: Int) throws -> RuntimeValue {
    guard let value = optional(index) else { throw OperatorFailure.invalid("input \(index) is missing") }
    return value
  }

  func tensor(_ index: Int) throws -> Tensor {
    guard let tensor = try value(index).tensor else {
      throw OperatorFailure.invalid("input \(index) is no tensor")
    }
    return tensor
  }

  func sequence(_ index: Int) throws -> [RuntimeValue] {
    guard case .sequence(let values) = try value(index) else {
      throw OperatorFailure.invalid("input \(index) is no sequence")
    }
    return values
  }

  /// The only element of an int32 or int64 input.
  func integer(_ index: Int) throws -> Int {
    let tensor = try tensor(index)
    guard tensor.elementCount == 1 else {
      throw OperatorFailure.invalid("input \(index) must have one element, not \(tensor.elementCount)")
    }
    switch tensor.type {
    case .int64: return tensor.array(of: Int.self)[0]
    case .int32: return Int(tensor.array(of: Int32.self)[0])
    default: throw OperatorFailure.type(tensor.type)
    }
  }

  /// The only element of a boolean input.
  func flag(_ index: Int) throws -> Bool { try Self.flag(tensor(index), "input \(index)") }

  static func flag(_ tensor: Tensor, _ what: String) throws -> Bool {
    guard tensor.type == .bool else { throw OperatorFailure.type(tensor.type) }
    guard tensor.elementCount == 1 else {
      throw OperatorFailure.invalid("\(what) must have one element, not \(tensor.elementCount)")
    }
    return tensor.array(of: Bool.self)[0]
  }
}
