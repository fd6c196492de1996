import Tensors

/// Times the forms of a weight side by side, on one thread.
enum WeightTiming {
  /// Rounds go on until the two best of every form agree, so that other work on the machine decides nothing.
  private static let (fewestRounds, mostRounds) = (3, 12)
  /// Columns are left out beyond this many multiplications of the dense form, but never of a single row: there it
  /// matters whether the weight fits the caches.
  private static let multiplications = 32 << 20
  /// All panel widths divide it.
  private static let columnStep = 64

  /// Nanoseconds, the best of several rounds: `[form][row class]`.
  static func measure(_ forms: [any WeightForm], depth: Int, columns: Int) throws -> [[Int]] {
    let most = WeightChoice.rowClasses.last ?? 1
    let a = try AlignedBuffer(byteCount: most * depth * MemoryLayout<Float>.stride)
    let c = try AlignedBuffer(byteCount: most * columns * MemoryLayout<Float>.stride)
    let scratch = try AlignedBuffer(byteCount: forms.map(\.threadScratch).max() ?? 0)
    let values = a.bytes.bindMemory(to: Float.self)
    for index in values.indices { values[index] = Float(index % 61) / 32 - 0.95 }
    var times = forms.map { _ in [Int](repeating: 0, count: WeightChoice.rowClasses.count) }
    for (row, rows) in WeightChoice.rowClasses.enumerated() {
      let operands = FloatProductOperands(
        rows: rows, columns: columns, depth: depth, a: UnsafePointer(values.baseAddress!), aRowStride: depth,
        c: c.bytes.bindMemory(to: Float.self).baseAddress!, cRowStride: columns, epilogue: .none)
      let part = rows == 1 ? columns : min(columns, measured(rows: rows, depth: depth))
      var best = forms.map { _ in BestTimes() }
      // One round more than is counted: the first one loads the caches.
      for round in 0...mostRounds {
        for (index, form) in forms.enumerated() {
          let panels = 0..<((part - 1) / form.panelWidth + 1)
          let start = MonotonicClock.nanoseconds
          form.multiply(
            operands, rows: 0..<rows, panels: panels, scratch: scratch.bytes.baseAddress!)
          if round > 0 { best[index].add(MonotonicClock.nanoseconds - start) }
        }
        if round >= fewestRounds && best.allSatisfy(\.agree) { break }
      }
      for index in forms.indices { times[index][row] = best[index].first }
    }
    withExtendedLifetime((a, c, scratch)) {}
    return times
  }

  private static func measured(rows: Int, depth: Int) -> Int {
    max(columnStep, multiplications / max(1, rows * depth) / columnStep * columnStep)
  }
}

private struct BestTimes {
  private(set) var first = Int.max
  private var second = Int.max

  /// Less than a twentieth apart.
  var agree: Bool { second < .max && (second - first) * 20 <= first }

  mutating func add(_ time: Int) {
    second = min(second, max(first, time))
    first = min(first, time)
  }
}
