/// Candidates as points: how well they do against what they take, and the line of those that nothing beats.
struct ParetoPlot {
  struct Point {
    enum Role: String { case original, chosen, other }

    var x: Double
    var y: Double
    var role: Role
    var isPareto: Bool
    /// What the pointer shows.
    var title: String
  }

  var points: [Point]
  var xName: String
  var yName: String
  var xLabel: (Double) -> String
  var yLabel: (Double) -> String

  private static let width = 520.0
  private static let height = 300.0
  private static let left = 70.0
  private static let right = 505.0
  private static let top = 12.0
  private static let bottom = 250.0

  /// - Returns: empty when there are no finite points.
  func svg() -> Markup {
    let seen = points.filter { $0.x.isFinite && $0.y.isFinite }
    guard
      let x = PlotAxis(seen.map(\.x), from: Self.left, to: Self.right, includesZero: true, label: xLabel),
      let y = PlotAxis(seen.map(\.y), from: Self.bottom, to: Self.top, includesZero: false, label: yLabel)
    else { return "" }
    return """
      <svg viewBox="0 0 \(Self.width) \(Self.height)" role="img" aria-label="\(yName) against \(xName)">
      \(frame(x, y))\(line(seen, x, y))\(seen.map { dot($0, x, y) })</svg>

      """
  }

  private func frame(_ x: PlotAxis, _ y: PlotAxis) -> Markup {
    var result: Markup = ""
    for tick in x.ticks {
      let place = x.pixel(tick.value)
      result += """
        <line class="grid" x1="\(place)" y1="\(Self.top)" x2="\(place)" y2="\(Self.bottom)"/>
        <text x="\(place)" y="\(Self.bottom + 18)" text-anchor="middle">\(tick.label)</text>

        """
    }
    for tick in y.ticks {
      let place = y.pixel(tick.value)
      result += """
        <line class="grid" x1="\(Self.left)" y1="\(place)" x2="\(Self.right)" y2="\(place)"/>
        <text x="\(Self.left - 6)" y="\(place + 4)" text-anchor="end">\(tick.label)</text>

        """
    }
    result += """
      <text x="\((Self.left + Self.right) / 2)" y="\(Self.height - 8)" text-anchor="middle">\(xName)</text>
      <text x="14" y="\((Self.top + Self.bottom) / 2)" text-anchor="middle" \
      transform="rotate(-90 14 \((Self.top + Self.bottom) / 2))">\(yName)</text>

      """
    return result
  }

  private func line(_ seen: [Point], _ x: PlotAxis, _ y: PlotAxis) -> Markup {
    let front = seen.filter(\.isPareto).sorted { ($0.x, $0.y) < ($1.x, $1.y) }
    if front.count < 2 { return "" }
    let places: [Markup] = front.map { "\(x.pixel($0.x)),\(y.pixel($0.y)) " }
    return "<polyline class=\"front\" points=\"\(places)\"/>\n"
  }

  private func dot(_ point: Point, _ x: PlotAxis, _ y: PlotAxis) -> Markup {
    let radius = point.role == .other ? 4.0 : 6.0
    let weight: Markup = point.isPareto ? "" : " beaten"
    return """
      <circle class="\(point.role.rawValue)\(weight)" cx="\(x.pixel(point.x))" cy="\(y.pixel(point.y))" \
      r="\(radius)"><title>\(point.title)</title></circle>

      """
  }
}
