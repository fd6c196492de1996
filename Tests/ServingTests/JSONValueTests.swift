import Testing

@testable import Serving

@Suite struct JSONValueTests {
  static func parse(_ text: String, depth: Int = 64) throws -> JSONValue {
    try JSONValue.parse(text.utf8, maximumDepth: depth)
  }

  static func skip(_ text: String) throws {
    try JSONScanner.withScanner(text.utf8, maximumDepth: 64) { scanner in try scanner.skipValue() }
  }

  @Test func readsEveryKindAndKeepsOrder() throws {
    let value = try Self.parse(#" {"b": [1, -2.5, true, null, "x"], "a": {}, "c": -9223372036854775807} "#)
    let expected: JSONValue = [
      "b": [1, .double(-2.5), true, .null, "x"], "a": [:], "c": .int(-Int.max),
    ]
    #expect(value == expected)
    #expect(
      String(decoding: value.bytes, as: UTF8.self)
        == #"{"b":[1,-2.5,true,null,"x"],"a":{},"c":-9223372036854775807}"#)
  }

  @Test(arguments: [
    (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{C}\n\r\t"), (#""\u00e9\u4e2D""#, "é中"),
    (#""\ud83d\ude00""#, "😀"),
    (#""é中😀""#, "é中😀"), (#""""#, ""), (#""\u0000""#, "\0"),
  ]) func strings(text: String, expected: String) throws {
    #expect(try Self.parse(text) == .string(expected))
    #expect(
      try Self.parse(String(decoding: JSONValue.string(expected).bytes, as: UTF8.self)) == .string(expected))
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1 \"b\":2}",
    "[1 2]",
    "tru", "nul", "nulll", "\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"",
    "\"\\ud800x\"",
    "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\u{1}\"", "[]]", "{}{}", "1e999", "-1e999", "{\"a\":1,\"a\":2}",
    "'a'", "\u{FEFF}{}",
  ]) func malformed(text: String) { #expect(throws: JSONError.self) { _ = try Self.parse(text) } }

  @Test func invalidUTF8IsRefused() {
    for bytes: [UInt8] in [[0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] {
      #expect(throws: JSONError.self) { _ = try JSONValue.parse(bytes, maximumDepth: 4) }
    }
  }

  @Test func depthIsCapped() throws {
    let deepest = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    _ = try Self.parse(deepest)
    #expect(throws: JSONError.self) { _ = try Self.parse("[" + deepest + "]") }
    let hostile = String(repeating: "[", count: 1_000_000)
    #expect(throws: JSONError.self) { _ = try Self.parse(hostile) }
    #expect(throws: JSONError.self) { try Self.skip(hostile) }
    #expect(throws: JSONError.self) { _ = try Self.parse(String(repeating: #"{"a":"#, count: 100_000)) }
  }

  @Test func errorsNameTheirPlace() throws {
    let error = try #require(throws: JSONError.self) { _ = try Self.parse("{\n  \"a\": tru\n}") }
    #expect(error.line == 2)
    #expect(error.column == 8)
    #expect(error.offset == 9)
    #expect(error.description == "expected true or false, found 't' at line 2, column 8 of the JSON (byte 9)")
  }

  @Test func numbersThatAreNoTokensOfJSONAreWrittenAsTokens() {
    let value: JSONValue = [
      .double(.nan), .double(.infinity), .double(-.infinity), .double(0.1), .double(1e300),
    ]
    #expect(String(decoding: value.bytes, as: UTF8.self) == "[NaN,Infinity,-Infinity,0.1,1e+300]")
  }
}
