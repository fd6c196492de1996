import CKernels
import GraphIR
import Tensors

/// One head, a block of queries against a block of keys at a time, so that no more scores than theirs are held: each
/// query keeps the largest score and the sum so far, and what its result has so far is scaled when the largest
/// one changes (Dao et al., FlashAttention, 2022). Blocks of keys begin at multiples of their length, so that a
/// query's result does not depend on which others are computed with it.
struct StreamedAttention {
  /// A multiple of every instruction set's tile of rows.
  static let queryBlock = 48
  /// A multiple of every panel.
  static let keyBlock = 256
  /// Rows of scores are further apart by a cache line, so that they do not push each other out of the first cache.
  private static let rowStride = keyBlock + 16

  private let head: AttentionHead
  // Places in the thread's scratch memory.
  private let packedKeys: Int
  private let packedValues: Int
  private let scores: Int
  private let maskRow: Int
  /// For each query: the largest score, the sum, and the factor of the last change.
  private let progress: Int

  init(_ head: AttentionHead, _ scratch: inout ScratchLayout) throws {
    self.head = head
    (packedKeys, packedValues) = try head.packedPlaces(&scratch)
    scores = try scratch.add(floats: Self.queryBlock, Self.rowStride)
    maskRow = try scratch.add(floats: head.mask == nil ? 0 : Self.keyBlock)
    progress = try scratch.add(floats: 3, Self.queryBlock)
  }

  func run(_ operands: KernelOperands, batch: Int, head place: Int, queries: Range<Int>) {
    let visible = head.visible.count(operands, batch: batch)
    let keys = head.visible.count(of: visible, query: queries.upperBound - 1)
    pack(operands, batch, place, keys: keys)
    var first = queries.lowerBound
    while first < queries.upperBound {
      let end = min(queries.upperBound, first + Self.queryBlock)
      run(operands, batch, place, first..<end, visible: visible)
      first = end
    }
  }

  @inline(__always)
  private func scratch(_ operands: KernelOperands, _ place: Int) -> UnsafeMutablePointer<Float> {
    (operands.threadScratch + place).assumingMemoryBound(to: Float.self)
  }

  /// The first `keys` keys as one matrix, values as one for each block.
  private func pack(_ operands: KernelOperands, _ batch: Int, _ place: Int, keys: Int) {
    head.packKeys(operands, batch: batch, head: place, count: keys, to: scratch(operands, packedKeys))
    for first in stride(from: 0, to: keys, by: Self.keyBlock) {
      head.packValues(
        operands, batch: batch, head: place, keys: first..<min(keys, first + Self.keyBlock),
        to: packedValues(operands, first))
    }
  }

  /// Where the values from key `first` on are packed.
  private func packedValues(_ operands: KernelOperands, _ first: Int) -> UnsafeMutablePointer<Float> {
    scratch(operands, packedValues)
      + first * AttentionHead.panels(head.value.layout.size) * Kernels.current.gemm_f32_panel
  }

  private func run(
    _ operands: KernelOperands, _ batch: Int, _ place: Int, _ queries: Range<Int>, visible: Int
  ) {
    let output = head.output
    let result = operands.output(0, as: Float.self) + output.offset(batch, place)
    let maxima = scratch(operands, progress)
    let (sums, factors) = (maxima + Self.queryBlock, maxima + 2 * Self.queryBlock)
    for row in 0..<queries.count {
      maxima[row] = -.infinity
      sums[row] = 0
    }
    let keys = head.visible.count(of: visible, query: queries.upperBound - 1)
    for first in stride(from: 0, to: keys, by: Self.keyBlock) {
      let block = first..<min(keys, first + Self.keyBlock)
      score(operands, batch, place, queries, block)
      let changed = weigh(operands, batch, place, queries, block, visible: visible)
      if changed && first > 0 {
        for (row, query) in queries.enumerated() where factors[row] != 1 {
          let line = result + query * output.step
          Kernels.current.affine_f32(line, line, output.size, factors[row], 0)
        }
      }
      var product = adze_gemm_f32(
        m: queries.count, n: output.size, k: block.count, a: scratch(operands, scores),
        a_row_stride: Self.rowStride, a_column_stride: 1, b_packed: packedValues(operands, first),
        c: result + queries.lowerBound * output.step, c_row_stride: output.step, accumulates: first > 0,
        epilogue: .none)
      Kernels.current.gemm_f32(&product, 0, queries.count, 0, AttentionHead.panels(output.size))
    }
    for (row, query) in queries.enumerated() {
      let line = result + query * output.step
      // A softmax over nothing but masked keys is NaN; over no keys at all it has no terms.
      if keys <= 0 {
        line.update(repeating: head.key.layout.length == 0 ? 0 : .nan, count: output.size)
      } else {
        Kernels.current.affine_f32(line, line, output.size, 1 / sums[row], 0)
      }
    }
  }

  /// The products of `queries` with the keys of `block`.
  private func score(
    _ operands: KernelOperands, _ batch: Int, _ place: Int, _ queries: Range<Int>, _ block: Range<Int>
  ) {
    let q = head.q
    var product = adze_gemm_f32(
      m: queries.count, n: block.count, k: q.size,
      a: operands.input(0, as: Float.self) + q.offset(batch, place) + queries.lowerBound * q.step,
      a_row_stride: q.step, a_column_stride: 1,
      b_packed: scratch(operands, packedKeys) + block.lowerBound * q.size, c: scratch(operands, scores),
      c_row_stride: Self.rowStride, accumulates: false, epilogue: .none)
    Kernels.current.gemm_f32(&product, 0, queries.count, 0, AttentionHead.panels(block.count))
  }

  /// Turns scores into what they count, relative to the largest of their query so far.
  /// - Returns: whether former results have to be scaled.
  private func weigh(
    _ operands: KernelOperands, _ batch: Int, _ place: Int, _ queries: Range<Int>, _ block: Range<Int>,
    visible: Int
  ) -> Bool {
    let maxima = scratch(operands, progress)
    let (sums, factors) = (maxima + Self.queryBlock, maxima + 2 * Self.queryBlock)
    let cap = head.attributes.softcap
    var changed = false
    for (row, query) in queries.enumerated() {
      let line = scratch(operands, scores) + row * Self.rowStride
      let end = min(block.upperBound, head.visible.count(of: visible, query: query))
      let count = max(0, end - block.lowerBound)
      var scale = head.scale
      if cap > 0 {
        Kernels.current.affine_f32(line, line, count, scale, 0)
        Kernels.current.affine_f32(line, line, count, 1 / cap, 0)
        Kernels.current.tanh_f32(line, line, count, 0, 0)
        scale = cap
      }
      let mask = head.mask?.row(
        operands, batch: batch, head: place, query: query,
        keys: block.lowerBound..<(block.lowerBound + count), scratch: scratch(operands, maskRow))
      factors[row] = Kernels.current.softmax_part_f32(
        line, count, scale, mask?.numbers, mask?.step ?? 0, maxima + row, sums + row)
      changed = changed || factors[row] != 1
      for index in count..<block.count { line[index] = 0 }
    }
    return changed
  }
}
