/// Columns of text for a terminal, each as wide as its widest cell.
struct TextTable {
  enum Alignment { case left, right }

  private let alignments: [Alignment]
  private var rows: [[String]]

  /// - Parameter columns: the heads; `>` in front of one aligns its column to the right.
  init(_ columns: [String]) {
    alignments = columns.map { $0.hasPrefix(">") ? .right : .left }
    rows = [columns.map { $0.hasPrefix(">") ? String($0.dropFirst()) : $0 }]
  }

  mutating func add(_ cells: [String]) { rows.append(cells) }

  /// Without trailing spaces.
  var lines: [String] {
    let widths = alignments.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return alignments[column] == .right ? space + cell : cell + space
      }
      let line = cells.joined(separator: "  ")
      return String(line[..<(line.lastIndex { $0 != " " }.map { line.index(after: $0) } ?? line.startIndex)])
    }
  }
}
