/// HTML or SVG in the making. What a literal says stands as it is; everything put into one is escaped, so that no
/// text of a report can become markup.
struct Markup: Sendable, Equatable {
  private(set) var text = ""

  init() {}

  /// The text as a reader sees it. Characters that XML does not allow are shown as U+FFFD.
  init(escaping text: String) {
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": self.text += "&amp;"
      case "<": self.text += "&lt;"
      case ">": self.text += "&gt;"
      case "\"": self.text += "&quot;"
      case "'": self.text += "&#39;"
      default: self.text.unicodeScalars.append(Self.isAllowed(scalar) ? scalar : "\u{FFFD}")
      }
    }
  }

  private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x9, 0xA, 0xD: true
    case 0..<0x20, 0x7F..<0xA0, 0xFFFE, 0xFFFF: false
    // Marks that turn the order of letters around can make a name look like another.
    case 0x202A...0x202E, 0x2066...0x2069: false
    default: true
    }
  }

  static func += (left: inout Markup, right: Markup) { left.text += right.text }
}

extension Markup: ExpressibleByStringInterpolation {
  init(stringLiteral value: String) { text = value }

  init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }

    mutating func appendLiteral(_ literal: String) { text += literal }
    mutating func appendInterpolation(_ value: String) { text += Markup(escaping: value).text }
    mutating func appendInterpolation(_ value: Int) { text += String(value) }
    mutating func appendInterpolation(_ markup: Markup) { text += markup.text }
    mutating func appendInterpolation(_ parts: [Markup]) { text += parts.map(\.text).joined() }
    /// A coordinate, to a tenth of a pixel.
    mutating func appendInterpolation(_ value: Double) {
      let tenths = (min(max(value, -1e6), 1e6) * 10).rounded()
      text += String(tenths.isFinite ? tenths / 10 : 0)
    }
  }
}
