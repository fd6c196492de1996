/// Which fields of a response go on the wire.
enum ResponseFields {
  /// Calls `body` for each field to send. Framing belongs to the transport, so a handler's own framing fields are
  /// left out; `content-length` passes only where there is no body to count (HEAD, 304).
  static func forEach(
    _ headers: HTTPHeaders, keepsLength: Bool,
    _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
  ) {
    for index in 0..<headers.count {
      headers.withField(at: index) { name, value in
        guard !isFraming(name), keepsLength || !name.equalsIgnoringCase("content-length"),
          !name.equalsIgnoringCase("date"), !name.isEmpty, name.allSatisfy(CharacterClass.isToken)
        else { return }
        body(name, value)
      }
    }
  }

  /// Control characters become spaces: a value must not be able to start a field of its own.
  static func append(_ value: UnsafeRawBufferPointer, to text: inout [UInt8]) {
    for byte in value { text.append(CharacterClass.isFieldValue(byte) ? byte : 0x20) }
  }

  /// Statuses that never have a body.
  static func isBodiless(_ status: Int) -> Bool { status < 200 || status == 204 || status == 304 }

  private static func isFraming(_ name: UnsafeRawBufferPointer) -> Bool {
    name.equalsIgnoringCase("connection") || name.equalsIgnoringCase("transfer-encoding")
      || name.equalsIgnoringCase("keep-alive") || name.equalsIgnoringCase("upgrade")
      || name.equalsIgnoringCase("proxy-connection") || name.equalsIgnoringCase("trailer")
  }
}
