import Tensors

/// The keys or values of all heads.
struct AttentionCache {
  enum Place { case input(Int), output(Int), scratch(Int) }

  let layout: HeadLayout
  let place: Place

  func readable(_ operands: KernelOperands) -> UnsafePointer<Float> {
    if case .input(let index) = place { return operands.input(index) }
    return UnsafePointer(writable(operands))
  }

  func writable(_ operands: KernelOperands) -> UnsafeMutablePointer<Float> {
    switch place {
    case .input(let index): UnsafeMutablePointer(mutating: operands.input(index, as: Float.self))
    case .output(let index): operands.output(index)
    case .scratch(let offset): (operands.sharedScratch + offset).assumingMemoryBound(to: Float.self)
    }
  }

  /// Where keys or values are read: at the input itself, or joined with the past in an output or scratch memory.
  /// `phases` gets the one that joins them.
  static func make(
    _ request: PrepareRequest, _ own: HeadLayout, own input: Int, past: Int, present: Int,
    _ scratch: inout ScratchLayout, _ phases: inout [Kernel.Phase]
  ) throws -> AttentionCache {
    let pastLayout = try request.optionalInput(past).map { try HeadLayout($0.shape, heads: nil) }
    let isWritten = request.hasOutput(present)
    if pastLayout == nil && !isWritten { return AttentionCache(layout: own, place: .input(input)) }
    let pastLength = pastLayout?.length ?? 0
    let layout = try HeadLayout([own.batch, own.heads, pastLength + own.length, own.size], heads: nil)
    let place: AttentionCache.Place =
      isWritten
      ? .output(present)
      : .scratch(try scratch.add(floats: layout.batch, layout.heads, layout.length, layout.size))
    let joined = AttentionCache(layout: layout, place: place)
    phases.append(
      Kernel.Phase(pieces: own.batch) { operands, batch in
        for head in 0..<own.heads {
          let target = joined.writable(operands) + layout.offset(batch, head)
          if let pastLayout {
            let source: UnsafePointer<Float> = operands.input(past)
            target.update(from: source + pastLayout.offset(batch, head), count: pastLength * own.size)
          }
          let source: UnsafePointer<Float> = operands.input(input) + own.offset(batch, head)
          for place in 0..<own.length {
            (target + (pastLength + place) * own.size).update(
              from: source + place * own.step, count: own.size)
          }
        }
      })
    return joined
  }
}
