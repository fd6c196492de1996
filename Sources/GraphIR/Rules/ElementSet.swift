import Tensors

/// A set of element types, as the type constraints of operators name them.
struct ElementSet: OptionSet, Sendable {
  let rawValue: UInt32

  init(rawValue: UInt32) { self.rawValue = rawValue }
  init(_ type: ElementType) { rawValue = 1 << UInt32(type.rawValue) }
  init(where isMember: (ElementType) -> Bool) {
    self = ElementType.allCases.filter(isMember).reduce(into: []) { $0.formUnion(ElementSet($1)) }
  }

  func contains(_ type: ElementType) -> Bool { contains(ElementSet(type)) }

  static let bool = ElementSet(.bool)
  static let string = ElementSet(.string)
  static let float32 = ElementSet(.float32)
  static let int32 = ElementSet(.int32)
  static let int64 = ElementSet(.int64)
  static let uint32 = ElementSet(.uint32)
  static let uint64 = ElementSet(.uint64)
  /// float16, bfloat16, float32, float64.
  static let float: ElementSet = [
    ElementSet(.float16), ElementSet(.bfloat16), ElementSet(.float32), ElementSet(.float64),
  ]
  /// int8 to int64.
  static let signed: ElementSet = [
    ElementSet(.int8), ElementSet(.int16), ElementSet(.int32), ElementSet(.int64),
  ]
  /// uint8 to uint64.
  static let unsigned: ElementSet = [
    ElementSet(.uint8), ElementSet(.uint16), ElementSet(.uint32), ElementSet(.uint64),
  ]
  static let integer: ElementSet = [.signed, .unsigned]
  static let numeric: ElementSet = [.float, .integer]
  static let index: ElementSet = [.int32, .int64]
  static let eightBit: ElementSet = [ElementSet(.int8), ElementSet(.uint8)]
  static let all = ElementSet(where: { _ in true })
}

extension ElementSet: CustomStringConvertible {
  var description: String {
    ElementType.allCases.filter(contains).map(\.name).joined(separator: ", ")
  }
}
