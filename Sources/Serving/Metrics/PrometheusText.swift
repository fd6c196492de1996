/// Writes metrics in Prometheus' text format, version 0.0.4.
public struct PrometheusText {
  public private(set) var bytes: [UInt8] = []

  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  public enum Kind: String {
    case counter, gauge, histogram
  }

  public typealias Labels = [(name: String, value: String)]

  public init() {}

  /// Starts a family; its samples follow.
  public mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    append("# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n")
  }

  public mutating func sample(_ name: String, _ labels: Labels, _ value: UInt64) {
    append("\(name)\(Self.text(labels)) \(value)\n")
  }

  public mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
    append("\(name)\(Self.text(labels)) \(value)\n")
  }

  /// The cumulated buckets, the sum and the count of one histogram.
  public mutating func histogram(_ name: String, _ labels: Labels, _ histogram: Histogram) {
    let counts = histogram.counts
    var total: UInt64 = 0
    for (position, count) in counts.enumerated() {
      total += count
      let bound = position < histogram.bounds.count ? String(histogram.bounds[position]) : "+Inf"
      sample(name + "_bucket", labels + [(name: "le", value: bound)], total)
    }
    sample(name + "_sum", labels, histogram.sum)
    sample(name + "_count", labels, total)
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  private static func text(_ labels: Labels) -> String {
    if labels.isEmpty { return "" }
    return "{" + labels.map { "\($0.name)=\"\(escaped($0.value))\"" }.joined(separator: ",") + "}"
  }

  private static func escaped(_ value: String) -> String {
    if !value.contains(where: { $0 == "\\" || $0 == "\"" || $0.isNewline }) { return value }
    var result = ""
    for character in value {
      switch character {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case _ where character.isNewline: result += "\\n"
      default: result.append(character)
      }
    }
    return result
  }
}
