/// The one place that decides which user text may become part of a path.
public enum ResourceName {
  /// - Throws: `.invalidName` unless `name` is `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`.
  public static func check(_ name: String) throws(ServingError) {
    if !isValid(name) { throw .invalidName(name) }
  }

  /// The version that `text` names.
  /// - Throws: `.invalidName` unless it is 1…9 digits of a positive number.
  public static func version(_ text: some StringProtocol) throws(ServingError) -> Int {
    let digits = text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard digits, text.utf8.count <= 9, let version = Int(text), version > 0 else {
      throw .invalidName(String(text))
    }
    return version
  }

  static func isValid(_ name: String) -> Bool {
    let bytes = name.utf8
    guard let first = bytes.first, isAlphanumeric(first), bytes.count <= 128 else { return false }
    return bytes.allSatisfy { isAlphanumeric($0) || $0 == 0x2E || $0 == 0x5F || $0 == 0x2D }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: false
    }
  }
}
