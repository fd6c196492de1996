/// Any JSON value, for bodies other than tensors; objects keep the order of their members.
indirect enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])
  /// A JSON text that is written as it is; never read.
  case text([UInt8])

  struct Member: Sendable, Equatable {
    let name: String
    let value: JSONValue
  }

  /// The value of an object's member.
  subscript(name: String) -> JSONValue? {
    if case .object(let members) = self { members.first { $0.name == name }?.value } else { nil }
  }

  var string: String? { if case .string(let value) = self { value } else { nil } }
  var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  var int: Int? { if case .int(let value) = self { value } else { nil } }
  var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  var members: [Member]? { if case .object(let value) = self { value } else { nil } }

  /// What messages call a value of this kind.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .int, .double: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object, .text: "an object"
    }
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  init(stringLiteral value: String) { self = .string(value) }
  init(integerLiteral value: Int) { self = .int(value) }
  init(booleanLiteral value: Bool) { self = .bool(value) }
  init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { Member(name: $0.0, value: $0.1) })
  }
}

extension JSONValue {
  /// The value that `text` holds.
  /// - Throws: `JSONError` with the place of the fault; also for an object with two members of one name.
  static func parse(_ text: some Collection<UInt8>, maximumDepth: Int) throws -> JSONValue {
    try JSONScanner.withScanner(text, maximumDepth: maximumDepth) { scanner in
      let value = try scanner.readValue()
      try scanner.finish()
      return value
    }
  }
}

extension JSONScanner {
  /// Consumes one value of any kind.
  mutating func readValue() throws(JSONError) -> JSONValue {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try readObject()
    case UInt8(ascii: "["):
      try open(UInt8(ascii: "["))
      var elements: [JSONValue] = []
      var isFirst = true
      while try nextElement(isFirst: &isFirst) { elements.append(try readValue()) }
      return .array(elements)
    case UInt8(ascii: "\""): return .string(try readString())
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool(try readBool())
    case UInt8(ascii: "n") where consume("null"): return .null
    default: return try readNumber()
    }
  }

  private mutating func readObject() throws(JSONError) -> JSONValue {
    try open(UInt8(ascii: "{"))
    var members: [JSONValue.Member] = []
    var names: Set<String> = []
    var isFirst = true
    var start = position
    while let name = try nextMember(isFirst: &isFirst) {
      if !names.insert(name).inserted { throw error("two members named '\(name)' in one object", at: start) }
      members.append(JSONValue.Member(name: name, value: try readValue()))
      start = position
    }
    return .object(members)
  }

  private mutating func readNumber() throws(JSONError) -> JSONValue {
    let number = try scanNumber()
    if number.isInteger {
      // Int.min falls to the doubles, which hold it exactly.
      if number.exponent == 0, let magnitude = Int(exactly: number.mantissa) {
        return .int(number.isNegative ? -magnitude : magnitude)
      }
    }
    let value = double(number)
    if value.isInfinite && number.special == nil { throw outOfRange(number) }
    return .double(value)
  }
}
