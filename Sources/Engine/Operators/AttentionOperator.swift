import CKernels
import GraphIR
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
    OperatorEntry(FusedOperator.attention, types: .single, widensHalves: false) { source in
      AttentionOperator(attributes: try AttentionAttributes(source.node), broadcastsMask: true)
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

/// `Attention` in float32, and `ai.adze.Attention`, whose mask broadcasts along all axes as numpy's do:
/// softmax(Q Kᵀ scale + mask) V for each head.
struct AttentionOperator: ShapedOperator {
  let attributes: AttentionAttributes
  var broadcastsMask = false

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let q = try HeadLayout(try request.input(0).shape, heads: attributes.queryHeads)
    let k = try HeadLayout(try request.input(1).shape, heads: attributes.keyHeads)
    let v = try HeadLayout(try request.input(2).shape, heads: attributes.keyHeads)
    let output = try HeadLayout(try request.output().shape, heads: q.heads)
    if output.batch * output.heads * output.length * output.size == 0 && request.outputs.count == 1 {
      return .nothing
    }
    var scratch = ScratchLayout()
    var phases: [Kernel.Phase] = []
    let key = try AttentionCache.make(request, k, own: 1, past: 4, present: 1, &scratch, &phases)
    let value = try AttentionCache.make(request, v, own: 2, past: 5, present: 2, &scratch, &phases)
    let keys = key.layout.length
    let mask = try request.optionalInput(3).map {
      try AttentionMask($0, input: 3, broadcastKeys: broadcastsMask ? keys : nil)
    }
    if broadcastsMask, let mask, mask.keys != keys {
      throw OperatorFailure.invalid("the mask covers \(mask.keys) keys of \(keys)")
    }
    let head = AttentionHead(
      attributes: attributes, scale: attributes.scale ?? 1 / Float(q.size).squareRoot(), q: q, key: key,
      value: value, output: output, mask: mask,
      visible: VisibleKeys(request, attributes, keys: keys, mask: mask))
    var own = ScratchLayout()
    phases.append(
      request.hasOutput(3) ? try shown(head, &own) : try streamed(head, &own, threads: request.threads))
    return Kernel(
      Kernels.name("attention"), phases: phases, sharedScratch: scratch.byteCount,
      threadScratch: own.byteCount)
  }

  private func shown(_ head: AttentionHead, _ own: inout ScratchLayout) throws -> Kernel.Phase {
    let shown = try ShownAttention(head, &own)
    let heads = head.q.heads
    return Kernel.Phase(pieces: head.q.batch * heads) { operands, piece in
      shown.run(operands, batch: piece / heads, head: piece % heads)
    }
  }

  /// Heads are split further, by queries, when there are few of them.
  private func streamed(_ head: AttentionHead, _ own: inout ScratchLayout, threads: Int) throws
    -> Kernel.Phase
  {
    let streamed = try StreamedAttention(head, &own)
    let (heads, length) = (head.q.heads, head.q.length)
    let wanted =
      threads <= 1 ? 1 : (threads * WorkSplit.piecesPerThread - 1) / max(1, head.q.batch * heads) + 1
    // Each part packs keys and values again, which has to be little beside its products.
    let queries = max(4 * StreamedAttention.queryBlock, (length - 1) / wanted + 1)
    let parts = (length - 1) / queries + 1
    let cost = min(queries, length) * head.key.layout.length * (head.q.size + head.value.layout.size) / 8
    let split = WorkSplit(units: head.q.batch * heads * parts, costPerUnit: cost, threads: threads)
    return Kernel.Phase(pieces: split.pieces) { operands, piece in
      for unit in split.range(of: piece) {
        let (place, part) = unit.quotientAndRemainder(dividingBy: parts)
        streamed.run(
          operands, batch: place / heads, head: place % heads,
          queries: (part * queries)..<min(length, (part + 1) * queries))
      }
    }
  }
}

/// What all heads of one attention share.
struct AttentionHead {
  let attributes: AttentionAttributes
  let scale: Float
  let q: HeadLayout
  let key: AttentionCache
  let value: AttentionCache
  let output: HeadLayout
  let mask: AttentionMask?
  let visible: VisibleKeys

  /// The head of keys and values that query head `head` reads.
  @inline(__always) func sharedHead(_ head: Int) -> Int { head / (q.heads / key.layout.heads) }

  /// Places for the packed keys and values of one head in a thread's scratch memory.
  func packedPlaces(_ scratch: inout ScratchLayout) throws -> (keys: Int, values: Int) {
    let (keys, size) = (key.layout.length, value.layout.size)
    return (
      try scratch.add(floats: adze_gemm_f32_packed_count(Kernels.table, q.size, keys)),
      try scratch.add(floats: adze_gemm_f32_packed_count(Kernels.table, keys, size))
    )
  }

  /// Panels of a product with so many columns.
  static func panels(_ columns: Int) -> Int {
    let panel = Kernels.current.gemm_f32_panel
    return (columns + panel - 1) / panel
  }

  /// Packs the first `count` keys that head `head` reads.
  func packKeys(
    _ operands: KernelOperands, batch: Int, head: Int, count: Int, to packed: UnsafeMutablePointer<Float>
  ) {
    Kernels.current.pack_b_f32(
      key.readable(operands) + key.layout.offset(batch, sharedHead(head)), 1, key.layout.step, q.size, count,
      packed, 0, Self.panels(count))
  }

  /// Packs the values of `keys`.
  func packValues(
    _ operands: KernelOperands, batch: Int, head: Int, keys: Range<Int>,
    to packed: UnsafeMutablePointer<Float>
  ) {
    let layout = value.layout
    Kernels.current.pack_b_f32(
      value.readable(operands) + layout.offset(batch, sharedHead(head)) + keys.lowerBound * layout.step,
      layout.step, 1, keys.count, layout.size, packed, 0, Self.panels(layout.size))
  }
}

/// How many keys a query sees: as many as the mask covers, as the batch's length (input 6) says, and if attention is causal,
/// those up to its own place.
struct VisibleKeys {
  private let keys: Int
  private let pastLength: Int
  private let hasLengths: Bool
  private let isCausal: Bool

  init(_ request: PrepareRequest, _ attributes: AttentionAttributes, keys: Int, mask: AttentionMask?) {
    self.keys = min(keys, mask?.keys ?? Int.max)
    pastLength = request.optionalInput(4)?.shape[2] ?? 0
    hasLengths = request.hasInput(6)
    isCausal = attributes.isCausal
  }

  /// The keys that any query of `batch` sees.
  @inline(__always) func count(_ operands: KernelOperands, batch: Int) -> Int {
    hasLengths ? min(max(operands.input(6, as: Int.self)[batch], 0), keys) : keys
  }

  /// How many of `visible` keys query `query` sees.
  @inline(__always) func count(of visible: Int, query: Int) -> Int {
    isCausal ? min(visible, pastLength + query + 1) : visible
  }
}
