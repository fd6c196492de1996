import GraphIR
import Tensors

extension EngineTable {
  static let sequenceOperators: [OperatorEntry] = [
    OperatorEntry(dynamic: "SequenceConstruct") { _ in SequenceConstructOperator() },
    OperatorEntry(dynamic: "SequenceEmpty") { _ in SequenceConstructOperator() },
    OperatorEntry(dynamic: "SequenceInsert") { _ in SequenceInsertOperator() },
    OperatorEntry(dynamic: "SequenceErase") { _ in SequenceEraseOperator() },
    OperatorEntry(dynamic: "SequenceAt") { _ in SequenceAtOperator() },
    OperatorEntry(dynamic: "SequenceLength") { _ in SequenceLengthOperator() },
    OperatorEntry(dynamic: "SplitToSequence", types: .byteSized + [.string]) { source in
      SplitToSequenceOperator(
        axis: try source.node.int("axis", default: 0),
        keepsAxis: try source.node.flag("keepdims", default: true))
    },
    OperatorEntry(dynamic: "ConcatFromSequence") { source in
      ConcatFromSequenceOperator(
        axis: try source.node.requiredInt("axis"), addsAxis: try source.node.flag("new_axis"))
    },
    OperatorEntry(dynamic: "Optional") { _ in OptionalOperator() },
    OperatorEntry(dynamic: "OptionalHasElement") { _ in OptionalHasElementOperator() },
    OperatorEntry(dynamic: "OptionalGetElement") { _ in OptionalGetElementOperator() },
  ]
}

/// `SequenceConstruct`, and `SequenceEmpty`, which has no inputs.
struct SequenceConstructOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let inputs = ValueInputs(inputs)
    return [.sequence(try inputs.values.indices.map { try inputs.value($0) })]
  }
}

/// `SequenceInsert`: before a position, or at the end.
struct SequenceInsertOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let inputs = ValueInputs(inputs)
    var values = try inputs.sequence(0)
    let inserted = try inputs.value(1)
    if values.count >= ValueInputs.sequenceLimit {
      throw OperatorFailure.invalid("the sequence would have more than \(ValueInputs.sequenceLimit) elements")
    }
    if let first = values.first?.tensor?.type, let type = inserted.tensor?.type, first != type {
      throw OperatorFailure.invalid("a \(type.name) tensor is inserted into a sequence of \(first.name)")
    }
    var bytes = inserted.tensor?.byteCount ?? 0
    for value in values { bytes += value.tensor?.byteCount ?? 0 }
    if bytes > context.memoryLimit {
      throw EngineError.memoryLimit(bytes: bytes, limit: context.memoryLimit)
    }
    var position = values.count
    if inputs.optional(2) != nil {
      let wanted = try inputs.integer(2)
      position = wanted < 0 ? wanted + values.count : wanted
      guard (0...values.count).contains(position) else {
        throw OperatorFailure.invalid("position \(wanted) is outside a sequence of \(values.count)")
      }
    }
    values.insert(inserted, at: position)
    return [.sequence(values)]
  }
}

extension ValueInputs {
  /// Integer input `index` as a position in a sequence of `count` elements; negative ones count from the end.
  fileprivate func position(_ index: Int, count: Int) throws -> Int {
    let wanted = try integer(index)
    let position = wanted < 0 ? wanted + count : wanted
    guard (0..<count).contains(position) else {
      throw OperatorFailure.invalid("position \(wanted) is outside a sequence of \(count)")
    }
    return position
  }
}

/// `SequenceErase`: without a position the last element.
struct SequenceEraseOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let inputs = ValueInputs(inputs)
    var values = try inputs.sequence(0)
    if values.isEmpty { throw OperatorFailure.invalid("the sequence is empty") }
    let position = inputs.optional(1) == nil ? values.count - 1 : try inputs.position(1, count: values.count)
    values.remove(at: position)
    return [.sequence(values)]
  }
}

/// `SequenceAt`.
struct SequenceAtOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let inputs = ValueInputs(inputs)
    let values = try inputs.sequence(0)
    return [values[try inputs.position(1, count: values.count)]]
  }
}

/// `SequenceLength`.
struct SequenceLengthOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    [.tensor(try Tensor(scalar: try ValueInputs(inputs).sequence(0).count))]
  }
}

/// `SplitToSequence`: parts of a given length or lengths, or single slices.
struct SplitToSequenceOperator: DynamicOperator {
  let axis: Int
  let keepsAxis: Bool

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let inputs = ValueInputs(inputs)
    let tensor = try inputs.tensor(0)
    guard let axis = tensor.shape.axis(axis) else {
      throw OperatorFailure.invalid("the axis is out of range")
    }
    let lengths = try lengths(inputs, extent: tensor.shape[axis])
    if lengths.count > ValueInputs.sequenceLimit {
      throw OperatorFailure.invalid("the sequence would have more than \(ValueInputs.sequenceLimit) elements")
    }
    let dropsAxis = inputs.optional(1) == nil && !keepsAxis
    var start = 0
    var parts: [RuntimeValue] = []
    for length in lengths {
      var part = try TensorPieces.slice(tensor, axis: axis, start..<(start + length))
      if dropsAxis {
        var dimensions = part.shape.dimensions
        dimensions.remove(at: axis)
        part = try part.reshaped(to: Shape(dimensions))
      }
      parts.append(.tensor(part))
      start += length
    }
    return [.sequence(parts)]
  }

  private func lengths(_ inputs: ValueInputs, extent: Int) throws -> [Int] {
    guard inputs.optional(1) != nil else { return Array(repeating: 1, count: extent) }
    let split = try inputs.tensor(1)
    if split.shape.rank == 0 {
      let length = try inputs.integer(1)
      if length <= 0 { throw OperatorFailure.invalid("the length of the parts is \(length)") }
      return stride(from: 0, to: extent, by: length).map { min(length, extent - $0) }
    }
    let lengths: [Int] =
      switch split.type {
      case .int64: split.array(of: Int.self)
      case .int32: split.array(of: Int32.self).map(Int.init)
      default: throw OperatorFailure.type(split.type)
      }
    var rest = extent
    for length in lengths {
      if length < 0 || length > rest { throw OperatorFailure.invalid("the parts do not add up to \(extent)") }
      rest -= length
    }
    if rest != 0 { throw OperatorFailure.invalid("the parts do not add up to \(extent)") }
    return lengths
  }
}

/// `ConcatFromSequence`: along an axis, or a new one.
struct ConcatFromSequenceOperator: DynamicOperator {
  let axis: Int
  let addsAxis: Bool

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let tensors = try ValueInputs(inputs).sequence(0).map { value in
      guard let tensor = value.tensor else { throw OperatorFailure.invalid("the sequence holds no tensors") }
      return tensor
    }
    let joined =
      addsAxis
      ? try TensorPieces.stack(tensors, axis: axis, limit: context.memoryLimit)
      : try TensorPieces.concatenate(tensors, axis: axis, limit: context.memoryLimit)
    return [.tensor(joined)]
  }
}

/// `Optional`.
struct OptionalOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    [.optional(ValueInputs(inputs).optional(0))]
  }
}

/// `OptionalHasElement`: a value that is no optional is there.
struct OptionalHasElementOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let isThere =
      switch ValueInputs(inputs).optional(0) {
      case nil, .optional(nil)?: false
      case _?: true
      }
    return [.tensor(try Tensor(scalar: isThere))]
  }
}

/// `OptionalGetElement`.
struct OptionalGetElementOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    switch try ValueInputs(inputs).value(0) {
    case .optional(let value?): return [value]
    case .optional(nil): throw OperatorFailure.invalid("the optional is empty")
    case let value: return [value]
    }
  }
}
