import GraphIR
import Tensors

extension EngineTable {
  static let dataDependentOperators: [OperatorEntry] = [
    OperatorEntry(dynamic: "NonZero", types: .numbers + .halves + [.bool, .string]) { _ in NonZeroOperator()
    },
    OperatorEntry(dynamic: "Compress", types: .byteSized + [.string]) {
      CompressOperator(axis: try $0.node.optionalInt("axis"))
    },
    OperatorEntry(dynamic: "Unique", types: .numbers + .halves + [.bool, .string]) { source in
      UniqueOperator(
        axis: try source.node.optionalInt("axis"), isSorted: try source.node.flag("sorted", default: true),
        outputCount: source.node.outputs.count)
    },
  ]
}

/// Positions in row-major order whose element is not 0.
private struct NonZeroPositions: ArithmeticVisitor {
  let tensor: Tensor

  static func find(_ tensor: Tensor) throws -> [Int] {
    switch tensor.type {
    case .bool: return positions(tensor.array(of: Bool.self)) { $0 }
    // Everything but the sign.
    case .float16, .bfloat16:
      return tensor.withBytes { bytes in
        positions(Array(bytes.bindMemory(to: UInt16.self))) { $0 & 0x7FFF != 0 }
      }
    case .string: return positions(tensor.strings ?? []) { !$0.isEmpty }
    default: return try tensor.type.withArithmetic(NonZeroPositions(tensor: tensor))
    }
  }

  func visit<Element: ArithmeticElement>(_: Element.Type) throws -> [Int] {
    Self.positions(tensor.array(of: Element.self)) { $0 != Element.zero }
  }

  private static func positions<Element>(_ elements: [Element], _ isSet: (Element) -> Bool) -> [Int] {
    elements.indices.filter { isSet(elements[$0]) }
  }
}

/// `NonZero`: the coordinates of all elements that are not 0, one column for each. A scalar has one coordinate.
struct NonZeroOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let tensor = try ValueInputs(inputs).tensor(0)
    let positions = try NonZeroPositions.find(tensor)
    let shape: Shape = tensor.shape.rank == 0 ? [1] : tensor.shape
    let strides = shape.strides
    let coordinates = (0..<shape.rank).flatMap { axis in
      positions.map { $0 / strides[axis] % max(shape[axis], 1) }
    }
    return [.tensor(try Tensor(shape: [shape.rank, positions.count], coordinates))]
  }
}

/// Takes whole slices along an axis.
enum SliceSelection {
  static func take(_ indices: [Int], of tensor: Tensor, axis: Int) throws -> Tensor {
    var shape = tensor.shape
    shape[axis] = indices.count
    let outer = shape.product(0..<axis)
    let inner = shape.product((axis + 1)..<shape.rank)
    let extent = tensor.shape[axis]
    if let strings = tensor.strings {
      var taken: [String] = []
      for block in 0..<outer {
        for index in indices {
          let start = (block * extent + index) * inner
          taken += strings[start..<(start + inner)]
        }
      }
      return try Tensor(shape: shape, strings: taken)
    }
    guard tensor.type.bitWidth >= 8 else { throw OperatorFailure.type(tensor.type) }
    let bytes = inner * tensor.type.bitWidth / 8
    var result = try Tensor(type: tensor.type, shape: shape)
    if bytes * outer * indices.count == 0 { return result }
    tensor.withBytes { source in
      result.withMutableBytes { target in
        for block in 0..<outer {
          for (place, index) in indices.enumerated() {
            (target.baseAddress! + (block * indices.count + place) * bytes).copyMemory(
              from: source.baseAddress! + (block * extent + index) * bytes, byteCount: bytes)
          }
        }
      }
    }
    return result
  }
}

extension Tensor {
  /// The elements of a float16 or bfloat16 tensor.
  fileprivate func widenedHalves() -> [Float] {
    var floats = [Float](repeating: 0, count: elementCount)
    withBytes { source in
      floats.withUnsafeMutableBufferPointer { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        HalfConversion.widen(type, UnsafeMutableRawPointer(mutating: from), to, count: target.count)
      }
    }
    return floats
  }
}

/// `Compress`: the slices (or elements, without an axis) for which the condition is true.
struct CompressOperator: DynamicOperator {
  let axis: Int?

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    var tensor = try ValueInputs(inputs).tensor(0)
    let condition = try ValueInputs(inputs).tensor(1)
    guard condition.type == .bool else { throw OperatorFailure.type(condition.type) }
    if axis == nil { tensor = try tensor.reshaped(to: [tensor.elementCount]) }
    guard let axis = tensor.shape.axis(axis ?? 0) else {
      throw OperatorFailure.invalid("the axis is out of range")
    }
    let chosen = condition.array(of: Bool.self)
    let indices = chosen.indices.filter { chosen[$0] }
    if let last = indices.last, last >= tensor.shape[axis] {
      throw OperatorFailure.invalid(
        "the condition picks \(last) on an axis of \(tensor.shape[axis]) elements")
    }
    return [.tensor(try SliceSelection.take(indices, of: tensor, axis: axis))]
  }
}

/// `Unique`: the different elements or slices, where each came first, which one each is, and how often it occurs.
struct UniqueOperator: DynamicOperator {
  let axis: Int?
  let isSorted: Bool
  let outputCount: Int

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    var tensor = try ValueInputs(inputs).tensor(0)
    if axis == nil { tensor = try tensor.reshaped(to: [tensor.elementCount]) }
    guard let axis = tensor.shape.axis(axis ?? 0) else {
      throw OperatorFailure.invalid("the axis is out of range")
    }
    let isBefore = try Self.order(tensor, axis: axis)
    let extent = tensor.shape[axis]
    // Equal slices lie next to each other in this order, the earliest first.
    let order = (0..<extent).sorted { isBefore($0, $1) || (!isBefore($1, $0) && $0 < $1) }
    var groups: [[Int]] = []
    for index in order {
      if let last = groups.last?.first, !isBefore(last, index) {
        groups[groups.count - 1].append(index)
      } else {
        groups.append([index])
      }
    }
    if !isSorted { groups.sort { $0[0] < $1[0] } }
    var inverse = [Int](repeating: 0, count: extent)
    for (number, group) in groups.enumerated() { for index in group { inverse[index] = number } }
    let firsts = groups.map { $0[0] }
    let results: [RuntimeValue] = [
      .tensor(try SliceSelection.take(firsts, of: tensor, axis: axis)),
      .tensor(try Tensor(shape: [firsts.count], firsts)),
      .tensor(try Tensor(shape: [extent], inverse)),
      .tensor(try Tensor(shape: [groups.count], groups.map(\.count))),
    ]
    return Array(results.prefix(outputCount))
  }

  /// Whether one slice along `axis` sorts before another, element by element. NaN sorts last and equals itself.
  private static func order(_ tensor: Tensor, axis: Int) throws -> (Int, Int) -> Bool {
    if let strings = tensor.strings { return compare(strings, tensor.shape, axis) { $0 < $1 } }
    if tensor.type == .bool {
      return compare(tensor.array(of: Bool.self), tensor.shape, axis) { !$0 && $1 }
    }
    if [ElementType].halves.contains(tensor.type) {
      return compare(tensor.widenedHalves(), tensor.shape, axis) { $0 < $1 || ($0 == $0 && $1 != $1) }
    }
    return try tensor.type.withArithmetic(OrderFactory(tensor: tensor, axis: axis))
  }

  private struct OrderFactory: ArithmeticVisitor {
    let tensor: Tensor
    let axis: Int
    func visit<Element: ArithmeticElement>(_: Element.Type) throws -> (Int, Int) -> Bool {
      compare(tensor.array(of: Element.self), tensor.shape, axis) { $0 < $1 || ($0 == $0 && $1 != $1) }
    }
  }

  private static func compare<Element>(
    _ elements: [Element], _ shape: Shape, _ axis: Int, _ isLess: @escaping (Element, Element) -> Bool
  ) -> (Int, Int) -> Bool {
    let outer = shape.product(0..<axis)
    let inner = shape.product((axis + 1)..<shape.rank)
    let extent = shape[axis]
    return { left, right in
      for block in 0..<outer {
        for place in 0..<inner {
          let a = elements[(block * extent + left) * inner + place]
          let b = elements[(block * extent + right) * inner + place]
          if isLess(a, b) { return true }
          if isLess(b, a) { return false }
        }
      }
      return false
    }
  }
}
