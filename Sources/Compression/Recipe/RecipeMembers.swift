/// The members of one object of a recipe, read by name. Every error starts with the member's path.
struct RecipeMembers {
  let path: String
  private let members: [String: JSONValue]

  /// - Throws: `CompressionError.recipe` when `value` is no object or has a member that is not in `allowed`.
  init(_ value: JSONValue, path: String, allowed: [String]) throws(CompressionError) {
    guard case .object(let members) = value else {
      throw .recipe("\(path.isEmpty ? "the recipe" : path): must be an object, not \(value.kind)")
    }
    if let unknown = members.keys.sorted().first(where: { !allowed.contains($0) }) {
      let place = path.isEmpty ? unknown : "\(path).\(unknown)"
      throw .recipe("\(place): unknown member; allowed are \(allowed.joined(separator: ", "))")
    }
    self.path = path
    self.members = members
  }

  func path(of name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  func has(_ name: String) -> Bool { members[name] != nil }

  /// The member, null counting as absent nowhere: a null is as wrong as any other wrong kind.
  func value(_ name: String) -> JSONValue? { members[name] }

  func string(_ name: String) throws(CompressionError) -> String? {
    guard let value = members[name] else { return nil }
    guard case .string(let string) = value else { throw wrongKind(name, "a string", value) }
    return string
  }

  func requiredString(_ name: String) throws(CompressionError) -> String {
    guard let string = try string(name) else { throw .recipe("\(path(of: name)): is required") }
    if string.isEmpty { throw .recipe("\(path(of: name)): must not be empty") }
    return string
  }

  func bool(_ name: String) throws(CompressionError) -> Bool? {
    guard let value = members[name] else { return nil }
    guard case .bool(let bool) = value else { throw wrongKind(name, "true or false", value) }
    return bool
  }

  func number(_ name: String, in range: ClosedRange<Double>) throws(CompressionError) -> Double? {
    guard let value = members[name] else { return nil }
    guard case .number(let number) = value else { throw wrongKind(name, "a number", value) }
    if !range.contains(number) {
      let (low, high) = (plain(range.lowerBound), plain(range.upperBound))
      throw .recipe("\(path(of: name)): \(plain(number)) is not in \(low)…\(high)")
    }
    return number
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(CompressionError) -> Int? {
    let bounds = Double(range.lowerBound)...Double(range.upperBound)
    guard let number = try number(name, in: bounds) else { return nil }
    guard let integer = Int(exactly: number) else {
      throw .recipe("\(path(of: name)): \(number) is not a whole number")
    }
    return integer
  }

  func integers(_ name: String, in range: ClosedRange<Int>) throws(CompressionError) -> [Int] {
    guard let value = members[name] else { return [] }
    guard case .array(let array) = value else { throw wrongKind(name, "an array of numbers", value) }
    var integers: [Int] = []
    for (index, element) in array.enumerated() {
      guard case .number(let number) = element, let integer = Int(exactly: number), range.contains(integer)
      else {
        throw .recipe(
          "\(path(of: name))[\(index)]: must be a whole number in \(range.lowerBound)…\(range.upperBound)")
      }
      integers.append(integer)
    }
    return integers
  }

  func strings(_ name: String) throws(CompressionError) -> [String]? {
    guard let value = members[name] else { return nil }
    guard case .array(let array) = value else { throw wrongKind(name, "an array of strings", value) }
    var strings: [String] = []
    for (index, element) in array.enumerated() {
      guard case .string(let string) = element else {
        throw .recipe("\(path(of: name))[\(index)]: must be a string, not \(element.kind)")
      }
      strings.append(string)
    }
    return strings
  }

  /// The member as one of `Choice`'s values.
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, _: Choice.Type
  ) throws(CompressionError) -> Choice? where Choice.RawValue == String {
    guard let text = try string(name) else { return nil }
    guard let choice = Choice(rawValue: text) else {
      throw notAmong(name, text, Choice.allCases.map(\.rawValue))
    }
    return choice
  }

  func notAmong(_ name: String, _ text: String, _ allowed: [String]) -> CompressionError {
    .recipe("\(path(of: name)): '\(text)' is not one of \(allowed.joined(separator: ", "))")
  }

  /// Refuses members that have a meaning only beside values that this version does not have.
  func refuse(_ names: [String], because reason: String) throws(CompressionError) {
    for name in names where has(name) { throw .unsupported("\(path(of: name)), \(reason)") }
  }

  private func wrongKind(_ name: String, _ expected: String, _ value: JSONValue) -> CompressionError {
    .recipe("\(path(of: name)): must be \(expected), not \(value.kind)")
  }

  private func plain(_ number: Double) -> String {
    Int(exactly: number).map(String.init) ?? String(number)
  }
}
