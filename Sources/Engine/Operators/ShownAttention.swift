import CKernels
import GraphIR
import Tensors

/// One head whose scores are an output: those of a block of queries are held whole.
struct ShownAttention {
  /// Queries whose scores are held at once.
  static let queryBlock = 64

  private let head: AttentionHead
  // Places in the thread's scratch memory.
  private let packedKeys: Int
  private let packedValues: Int
  private let scores: Int

  init(_ head: AttentionHead, _ scratch: inout ScratchLayout) throws {
    self.head = head
    (packedKeys, packedValues) = try head.packedPlaces(&scratch)
    scores = try scratch.add(floats: min(Self.queryBlock, head.q.length), head.key.layout.length)
  }

  func run(_ operands: KernelOperands, batch: Int, head place: Int) {
    let (q, output) = (head.q, head.output)
    let (keys, valueSize) = (head.key.layout.length, head.value.layout.size)
    func scratch(_ offset: Int) -> UnsafeMutablePointer<Float> {
      (operands.threadScratch + offset).assumingMemoryBound(to: Float.self)
    }
    let (keyPanels, valuePanels) = (AttentionHead.panels(keys), AttentionHead.panels(valueSize))
    head.packKeys(operands, batch: batch, head: place, count: keys, to: scratch(packedKeys))
    head.packValues(operands, batch: batch, head: place, keys: 0..<keys, to: scratch(packedValues))
    let visible = head.visible.count(operands, batch: batch)
    var first = 0
    while first < q.length {
      let count = min(Self.queryBlock, q.length - first)
      var product = adze_gemm_f32(
        m: count, n: keys, k: q.size,
        a: operands.input(0, as: Float.self) + q.offset(batch, place) + first * q.step, a_row_stride: q.step,
        a_column_stride: 1, b_packed: scratch(packedKeys), c: scratch(scores), c_row_stride: keys,
        accumulates: false, epilogue: .none)
      Kernels.current.gemm_f32(&product, 0, count, 0, keyPanels)
      for row in 0..<count {
        finish(
          scratch(scores) + row * keys, operands, batch: batch, head: place, query: first + row,
          visible: visible)
      }
      var result = adze_gemm_f32(
        m: count, n: valueSize, k: keys, a: scratch(scores), a_row_stride: keys, a_column_stride: 1,
        b_packed: scratch(packedValues),
        c: operands.output(0, as: Float.self) + output.offset(batch, place) + first * output.step,
        c_row_stride: output.step, accumulates: false, epilogue: .none)
      Kernels.current.gemm_f32(&result, 0, count, 0, valuePanels)
      first += count
    }
  }

  /// Turns the products of one query with all keys into probabilities.
  private func finish(
    _ row: UnsafeMutablePointer<Float>, _ operands: KernelOperands, batch: Int, head place: Int, query: Int,
    visible: Int
  ) {
    let keys = head.key.layout.length
    let attributes = head.attributes
    Kernels.current.affine_f32(row, row, keys, head.scale, 0)
    show(.product, row, operands, batch, place, query)
    if attributes.softcap > 0 {
      let cap = attributes.softcap
      Kernels.current.affine_f32(row, row, keys, 1 / cap, 0)
      Kernels.current.tanh_f32(row, row, keys, 0, 0)
      Kernels.current.affine_f32(row, row, keys, cap, 0)
    }
    show(.capped, row, operands, batch, place, query)
    head.mask?.apply(operands, row, batch: batch, head: place, query: query)
    for index in head.visible.count(of: visible, query: query)..<keys { row[index] = -.infinity }
    show(.masked, row, operands, batch, place, query)
    Kernels.current.softmax_f32(row, row, keys)
    show(.probabilities, row, operands, batch, place, query)
  }

  private func show(
    _ stage: AttentionAttributes.ScoreOutput, _ row: UnsafePointer<Float>, _ operands: KernelOperands,
    _ batch: Int, _ place: Int, _ query: Int
  ) {
    if head.attributes.scoreOutput != stage { return }
    let (q, keys) = (head.q, head.key.layout.length)
    let target: UnsafeMutablePointer<Float> = operands.output(3)
    (target + ((batch * q.heads + place) * q.length + query) * keys).update(from: row, count: keys)
  }
}
