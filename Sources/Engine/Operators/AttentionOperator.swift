import CKernels
import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let attentionOperators: [OperatorEntry] = [
    OperatorEntry("Attention", types: .floats) { source in
      if source.element(0) == .float64 {
        for input in 0..<3 { try source.element(input, in: [.float64]) }
        return DoubleAttentionOperator(attributes: try AttentionAttributes(source.node))
      }
      // Values may have another float type than queries and keys.
      for input in 0..<3 { try source.element(input, in: .single) }
      return AttentionOperator(attributes: try AttentionAttributes(source.node))
    },
    OperatorEntry("RotaryEmbedding", types: .floats) { source in
      let attributes = try RotaryEmbeddingAttributes(source.node)
      if source.element(0) == .float64 { return RotaryEmbeddingOperator<Double>(attributes: attributes) }
      return RotaryEmbeddingOperator<Float>(attributes: attributes)
    },
  ]
}

/// Where the vectors of heads lie in a tensor of rank 4, `[batch, heads, sequence, size]`, or 3,
/// `[batch, sequence, heads * size]`.
struct HeadLayout {
  let batch: Int
  let heads: Int
  let length: Int
  let size: Int
  let batchStride: Int
  let headStride: Int
  /// From one place of the sequence to the next.
  let step: Int

  /// - Parameter heads: read for rank 3 only.
  init(_ shape: Shape, heads: Int?) throws(OperatorFailure) {
    batch = shape[0]
    if shape.rank == 4 {
      self.heads = shape[1]
      length = shape[2]
      size = shape[3]
      step = size
      headStride = length * size
    } else {
      guard let heads, heads > 0 else { throw .invalid("the number of heads is missing") }
      self.heads = heads
      length = shape[1]
      size = shape[2] / heads
      step = shape[2]
      headStride = size
    }
    batchStride = self.heads * length * size
  }

  @inline(__always) func offset(_ batch: Int, _ head: Int) -> Int { batch * batchStride + head * headStride }
}

/// `Attention` in float32: softmax(Q Kᵀ scale + mask) V for each head, a block of queries at a time.
struct AttentionOperator: ShapedOperator {
  /// Queries whose scores are held at once.
  private static let queryBlock = 64

  let attributes: AttentionAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let q = try HeadLayout(try request.input(0).shape, heads: attributes.queryHeads)
    let k = try HeadLayout(try request.input(1).shape, heads: attributes.keyHeads)
    let v = try HeadLayout(try request.input(2).shape, heads: attributes.keyHeads)
    var scratch = ScratchLayout()
    var phases: [Kernel.Phase] = []
    let key = try cache(request, k, own: 1, past: 4, present: 1, &scratch, &phases)
    let value = try cache(request, v, own: 2, past: 5, present: 2, &scratch, &phases)
    let output = try HeadLayout(try request.output().shape, heads: q.heads)
    var own = ScratchLayout()
    let keys = key.layout.length
    let head = AttentionHead(
      attributes: attributes, scale: attributes.scale ?? 1 / Float(q.size).squareRoot(), q: q, key: key,
      value: value, output: output,
      mask: try request.optionalInput(3).map {
        try AttentionMask($0, input: 3)
      },
      pastLength: request.optionalInput(4)?.shape[2] ?? 0, hasLengths: request.hasInput(6),
      writesScores: request.hasOutput(3), block: Self.queryBlock,
      packedKeys: try own.add(floats: adze_gemm_f32_packed_count(Kernels.table, q.size, keys)),
      packedValues: try own.add(floats: adze_gemm_f32_packed_count(Kernels.table, keys, v.size)),
      scores: try own.add(floats: min(Self.queryBlock, q.length), keys))
    phases.append(
      Kernel.Phase(pieces: q.batch * q.heads) { operands, piece in
        try head.run(operands, batch: piece / q.heads, head: piece % q.heads)
      })
    return Kernel(
      Kernels.name("attention"), phases: phases, sharedScratch: scratch.byteCount,
      threadScratch: own.byteCount)
  }

  /// Where keys or values are read: at the input itself, or joined with the past in an output or scratch memory.
  private func cache(
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
}

/// What one head computes.
private struct AttentionHead {
  let attributes: AttentionAttributes
  let scale: Float
  let q: HeadLayout
  let key: AttentionCache
  let value: AttentionCache
  let output: HeadLayout
  let mask: AttentionMask?
  let pastLength: Int
  let hasLengths: Bool
  let writesScores: Bool
  let block: Int
  /// Places in the thread's scratch memory.
  let packedKeys: Int
  let packedValues: Int
  let scores: Int

  func run(_ operands: KernelOperands, batch: Int, head: Int) throws {
    let keys = key.layout.length
    let valueSize = value.layout.size
    let sharedHead = head / (q.heads / key.layout.heads)
    func scratch(_ offset: Int) -> UnsafeMutablePointer<Float> {
      (operands.threadScratch + offset).assumingMemoryBound(to: Float.self)
    }
    let panel = Kernels.current.gemm_f32_panel
    let (keyPanels, valuePanels) = ((keys + panel - 1) / panel, (valueSize + panel - 1) / panel)
    Kernels.current.pack_b_f32(
      key.readable(operands) + key.layout.offset(batch, sharedHead), 1, key.layout.step, q.size, keys,
      scratch(packedKeys), 0, keyPanels)
    Kernels.current.pack_b_f32(
      value.readable(operands) + value.layout.offset(batch, sharedHead), value.layout.step, 1, keys,
      valueSize,
      scratch(packedValues), 0, valuePanels)
    let visible = hasLengths ? operands.input(6, as: Int.self)[batch] : keys
    var first = 0
    while first < q.length {
      let count = min(block, q.length - first)
      var product = adze_gemm_f32(
        m: count, n: keys, k: q.size,
        a: operands.input(0, as: Float.self) + q.offset(batch, head) + first * q.step, a_row_stride: q.step,
        a_column_stride: 1, b_packed: scratch(packedKeys), c: scratch(scores), c_row_stride: keys,
        accumulates: false, epilogue: .none)
      Kernels.current.gemm_f32(&product, 0, count, 0, keyPanels)
      for row in 0..<count {
        finish(
          scratch(scores) + row * keys, operands, batch: batch, head: head, query: first + row,
          visible: visible)
      }
      var result = adze_gemm_f32(
        m: count, n: valueSize, k: keys, a: scratch(scores), a_row_stride: keys, a_column_stride: 1,
        b_packed: scratch(packedValues),
        c: operands.output(0, as: Float.self) + output.offset(batch, head) + first * output.step,
        c_row_stride: output.step, accumulates: false, epilogue: .none)
      Kernels.current.gemm_f32(&result, 0, count, 0, valuePanels)
      first += count
    }
  }

  /// Turns the products of one query with all keys into probabilities.
  private func finish(
    _ row: UnsafeMutablePointer<Float>, _ operands: KernelOperands, batch: Int, head: Int, query: Int,
    visible: Int
  ) {
    let keys = key.layout.length
    Kernels.current.affine_f32(row, row, keys, scale, 0)
    show(.product, row, operands, batch, head, query)
    if attributes.softcap > 0 {
      let cap = attributes.softcap
      Kernels.current.affine_f32(row, row, keys, 1 / cap, 0)
      Kernels.current.tanh_f32(row, row, keys, 0, 0)
      Kernels.current.affine_f32(row, row, keys, cap, 0)
    }
    show(.capped, row, operands, batch, head, query)
    mask?.apply(operands, row, batch: batch, head: head, query: query)
    var end = min(max(visible, 0), mask?.keys ?? keys)
    if attributes.isCausal { end = min(end, pastLength + query + 1) }
    for index in end..<keys { row[index] = -.infinity }
    show(.masked, row, operands, batch, head, query)
    Kernels.current.softmax_f32(row, row, keys)
    show(.probabilities, row, operands, batch, head, query)
  }

  private func show(
    _ stage: AttentionAttributes.ScoreOutput, _ row: UnsafePointer<Float>, _ operands: KernelOperands,
    _ batch: Int, _ head: Int, _ query: Int
  ) {
    if !writesScores || attributes.scoreOutput != stage { return }
    let keys = key.layout.length
    let target: UnsafeMutablePointer<Float> = operands.output(3)
    (target + ((batch * q.heads + head) * q.length + query) * keys).update(from: row, count: keys)
  }
}

/// What is added to the scores, or, when boolean, which of them count. Keys beyond the mask's last do not.
struct AttentionMask {
  let input: Int
  let isBool: Bool
  private let access: ElementAccess
  /// The keys that the mask speaks of.
  let keys: Int
  private let strides: [Int]

  init(_ type: OperandType, input: Int) throws {
    self.input = input
    isBool = type.element == .bool
    access = try ElementAccess(type.element)
    let shape = type.shape
    let own = shape.strides
    keys = shape[shape.rank - 1]
    strides = (0..<3).map { axis in
      let place = axis - (4 - shape.rank)
      return place < 0 || shape[place] == 1 ? 0 : own[place]
    }
  }

  func apply<Element: BinaryFloatingPoint>(
    _ operands: KernelOperands, _ row: UnsafeMutablePointer<Element>, batch: Int, head: Int, query: Int
  ) {
    let start = batch * strides[0] + head * strides[1] + query * strides[2]
    let mask = operands.rawInput(input)
    for index in 0..<keys {
      let value = access.read(mask, start + index)
      row[index] = isBool ? (value != 0 ? row[index] : -.infinity) : row[index] + Element(value)
    }
  }
}
