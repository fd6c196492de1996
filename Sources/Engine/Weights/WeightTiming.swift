import Tensors

/// Times the forms of a weight side by side, on one thread.
enum WeightTiming {
  private static let rounds = 3
  /// Columns are left out beyond this many multiplications of the dense form, but never of a single row: there it
  /// matters whether the weight fits the caches.
  private static let multiplications = 8 << 20
  /// All panel widths divide it.
  private static let columnStep = 64

  /// Nanoseconds, best of a few rounds: `[form][row class]`.
  static func measure(_ forms: [any WeightForm], depth: Int, columns: Int) throws -> [[Int]] {
    let most = WeightChoice.rowClasses.last ?? 1
    let a = try AlignedBuffer(byteCount: most * depth * MemoryLayout<Float>.stride)
    let c = try AlignedBuffer(byteCount: most * columns * MemoryLayout<Float>.stride)
    let scratch = try AlignedBuffer(byteCount: forms.map(\.threadScratch).max() ?? 0)
    let values = a.bytes.bindMemory(to: Float.self)
    for index in values.indices { values[index] = Float(index % 61) / 32 - 0.95 }
    var times = forms.map { _ in [Int](repeating: .max, count: WeightChoice.rowClasses.count) }
    for (row, rows) in WeightChoice.rowClasses.enumerated() {
      let operands = FloatProductOperands(
        rows: rows, columns: columns, depth: depth, a: UnsafePointer(values.baseAddress!), aRowStride: depth,
        c: c.bytes.bindMemory(to: Float.self).baseAddress!, cRowStride: columns, epilogue: .none)
      let part = rows == 1 ? columns : min(columns, measured(rows: rows, depth: depth))
      // One round more than is counted: the first one loads the caches.
      for round in 0...rounds {
        for (index, form) in forms.enumerated() {
          let panels = 0..<((part - 1) / form.panelWidth + 1)
          let start = MonotonicClock.nanoseconds
          form.multiply(
            operands, rows: 0..<rows, panels: panels, scratch: scratch.bytes.baseAddress!)
          let elapsed = MonotonicClock.nanoseconds - start
          if round > 0 { times[index][row] = min(times[index][row], elapsed) }
        }
      }
    }
    withExtendedLifetime((a, c, scratch)) {}
    return times
  }

  private static func measured(rows: Int, depth: Int) -> Int {
    max(columnStep, multiplications / max(1, rows * depth) / columnStep * columnStep)
  }
}
