/// Named values as horizontal bars, one below the other.
struct BarPlot: Sendable {
  struct Bar: Sendable {
    var name: String
    var value: Double
    /// Beside the bar.
    var label: String
    /// What the pointer shows.
    var title: String
  }

  var bars: [Bar]

  private static let width = 720.0
  private static let names = 260.0
  private static let labels = 90.0
  private static let pitch = 20.0
  private static let longestName = 40

  /// - Returns: empty without bars. Values below 0, and those that are not finite, have no length.
  func svg() -> Markup {
    if bars.isEmpty { return "" }
    let largest = bars.map(\.value).filter(\.isFinite).max() ?? 0
    let room = Self.width - Self.names - Self.labels
    var rows: Markup = ""
    for (index, bar) in bars.enumerated() {
      let top = Double(index) * Self.pitch
      let fraction = largest > 0 && bar.value.isFinite ? max(0, bar.value / largest) : 0
      rows += """
        <g><title>\(bar.title)</title>
        <text x="\(Self.names - 8)" y="\(top + 14)" text-anchor="end">\(Self.shortened(bar.name))</text>
        <rect class="bar" x="\(Self.names)" y="\(top + 3)" width="\(room * fraction)" height="\(Self.pitch - 6)"/>
        <text x="\(Self.names + room * fraction + 6)" y="\(top + 14)">\(bar.label)</text></g>

        """
    }
    let height = Double(bars.count) * Self.pitch
    return "<svg viewBox=\"0 0 \(Self.width) \(height)\" role=\"img\" aria-label=\"bars\">\n\(rows)</svg>\n"
  }

  /// Names of layers differ at their ends.
  private static func shortened(_ name: String) -> String {
    name.count <= longestName ? name : "…" + name.suffix(longestName - 1)
  }
}
