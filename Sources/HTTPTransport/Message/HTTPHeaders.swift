/// Header fields in the order they were sent. Names are lower case.
///
/// All text lies in one byte array, so that a request's headers cost two allocations, not two per field;
/// strings are made when they are asked for.
public struct HTTPHeaders: Sendable {
  private struct Field {
    var start: Int32
    var nameLength: Int32
    var valueLength: Int32
  }

  private var text: [UInt8] = []
  private var fields: [Field] = []

  public init(_ entries: [(String, String)] = []) {
    for (name, value) in entries { add(name, value) }
  }

  /// How many fields there are; a name that was sent twice counts twice.
  public var count: Int { fields.count }

  /// The first value of a field, nil when there is none. `name` must be lower case.
  public subscript(name: String) -> String? {
    for index in fields.indices where isNamed(index, name) { return value(at: index) }
    return nil
  }

  /// Every value of a field, in the order of arrival. `name` must be lower case.
  public func all(_ name: String) -> [String] {
    fields.indices.filter { isNamed($0, name) }.map { value(at: $0) }
  }

  /// How many fields have this name.
  public func count(of name: String) -> Int {
    fields.indices.reduce(0) { $0 + (isNamed($1, name) ? 1 : 0) }
  }

  /// Adds a field after the others; the name is stored in lower case.
  public mutating func add(_ name: String, _ value: String) {
    var name = name
    var value = value
    name.withUTF8 { name in
      value.withUTF8 { value in add(name: UnsafeRawBufferPointer(name), value: UnsafeRawBufferPointer(value))
      }
    }
  }

  /// Removes every field of this (lower-case) name.
  public mutating func remove(_ name: String) {
    guard fields.indices.contains(where: { isNamed($0, name) }) else { return }
    var kept = HTTPHeaders()
    for index in fields.indices where !isNamed(index, name) {
      withField(at: index) { kept.add(name: $0, value: $1) }
    }
    self = kept
  }

  /// Every field, as strings.
  public var entries: [(name: String, value: String)] {
    fields.indices.map { (name: name(at: $0), value: value(at: $0)) }
  }

  mutating func reserve(fields count: Int, bytes: Int) {
    fields.reserveCapacity(count)
    text.reserveCapacity(bytes)
  }

  mutating func add(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    fields.append(
      Field(start: Int32(text.count), nameLength: Int32(name.count), valueLength: Int32(value.count)))
    for byte in name { text.append(byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte) }
    text.append(contentsOf: value)
  }

  /// Name and value as bytes, valid during the call.
  func withField<R>(
    at index: Int, _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> R
  ) -> R {
    let field = fields[index]
    let start = Int(field.start)
    let middle = start + Int(field.nameLength)
    return text.withUnsafeBytes {
      body(
        UnsafeRawBufferPointer(rebasing: $0[start..<middle]),
        UnsafeRawBufferPointer(rebasing: $0[middle..<middle + Int(field.valueLength)]))
    }
  }

  private func name(at index: Int) -> String {
    withField(at: index) { name, _ in String(decoding: name, as: UTF8.self) }
  }

  private func value(at index: Int) -> String {
    withField(at: index) { _, value in String(decoding: value, as: UTF8.self) }
  }

  private func isNamed(_ index: Int, _ name: String) -> Bool {
    let field = fields[index]
    guard Int(field.nameLength) == name.utf8.count else { return false }
    let start = Int(field.start)
    return text[start..<start + Int(field.nameLength)].elementsEqual(name.utf8)
  }
}

extension HTTPHeaders: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, String)...) { self.init(elements) }
}

extension HTTPHeaders: Equatable {
  public static func == (a: HTTPHeaders, b: HTTPHeaders) -> Bool {
    a.count == b.count && zip(a.entries, b.entries).allSatisfy { $0 == $1 }
  }
}
