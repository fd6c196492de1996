import CKernels

/// The smallest and the largest element of each row of a float32 matrix, in the shared scratch memory.
struct RowBounds {
  let rows: Int
  let depth: Int
  /// Where in the scratch memory.
  let start: Int

  var byteCount: Int { rows * 2 * MemoryLayout<Float>.stride }

  func phase(input: Int, _ threads: Int) -> Kernel.Phase {
    let table = Kernels.current
    let split = WorkSplit(units: rows, costPerUnit: depth / 8 + 8, threads: threads)
    return Kernel.Phase(pieces: split.pieces) { operands, piece in
      let slots = slots(operands)
      for row in split.range(of: piece) {
        table.min_max_f32(operands.input(input) + row * depth, depth, slots + 2 * row, slots + 2 * row + 1)
      }
    }
  }

  /// The range of all of `rows`, after the phase.
  func range(_ rows: Range<Int>, _ operands: KernelOperands) -> DynamicRange {
    let slots = slots(operands)
    var (low, high): (Float, Float) = (0, 0)
    for row in rows {
      low = min(low, slots[2 * row])
      high = max(high, slots[2 * row + 1])
    }
    return DynamicRange(minimum: low, maximum: high)
  }

  private func slots(_ operands: KernelOperands) -> UnsafeMutablePointer<Float> {
    (operands.sharedScratch + start).assumingMemoryBound(to: Float.self)
  }
}
