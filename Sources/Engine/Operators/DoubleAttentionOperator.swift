import GraphIR
import Glibc
import Tensors

/// `Attention` in float64: one query after the other, without kernels.
struct DoubleAttentionOperator: ShapedOperator {
  let attributes: AttentionAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let q = try HeadLayout(try request.input(0).shape, heads: attributes.queryHeads)
    let pastLength = request.optionalInput(4)?.shape[2] ?? 0
    let key = DoubleCache(
      own: try HeadLayout(try request.input(1).shape, heads: attributes.keyHeads), input: 1, past: 4,
      pastLength: pastLength)
    let value = DoubleCache(
      own: try HeadLayout(try request.input(2).shape, heads: attributes.keyHeads), input: 2, past: 5,
      pastLength: pastLength)
    let mask = try request.optionalInput(3).map { try AttentionMask($0, input: 3) }
    let head = DoubleAttentionHead(
      attributes: attributes, scale: attributes.scale.map(Double.init) ?? 1 / Double(q.size).squareRoot(),
      q: q, key: key, value: value, output: try HeadLayout(try request.output().shape, heads: q.heads),
      mask: mask, visible: VisibleKeys(request, attributes, keys: key.length, mask: mask),
      writesScores: request.hasOutput(3))
    var scratch = ScratchLayout()
    // A double takes the room of two floats.
    _ = try scratch.add(floats: 2, key.length)
    var phases: [Kernel.Phase] = []
    for (cache, output) in [(key, 1), (value, 2)] where request.hasOutput(output) {
      phases.append(
        Kernel.Phase(pieces: cache.own.batch * cache.own.heads) { operands, piece in
          cache.write(operands, batch: piece / cache.own.heads, head: piece % cache.own.heads, output)
        })
    }
    phases.append(
      Kernel.Phase(pieces: q.batch * q.heads) { operands, piece in
        head.run(operands, batch: piece / q.heads, head: piece % q.heads)
      })
    return Kernel("attention_f64", phases: phases, threadScratch: scratch.byteCount)
  }
}

/// The keys or values: those of the past, then the input's own.
private struct DoubleCache {
  let own: HeadLayout
  let input: Int
  let past: Int
  let pastLength: Int

  var length: Int { pastLength + own.length }

  @inline(__always)
  func vector(_ operands: KernelOperands, _ batch: Int, _ head: Int, _ place: Int) -> UnsafePointer<Double> {
    if place < pastLength {
      return operands.input(past) + ((batch * own.heads + head) * pastLength + place) * own.size
    }
    return operands.input(input) + own.offset(batch, head) + (place - pastLength) * own.step
  }

  func write(_ operands: KernelOperands, batch: Int, head: Int, _ output: Int) {
    let target = operands.output(output, as: Double.self) + (batch * own.heads + head) * length * own.size
    for place in 0..<length {
      (target + place * own.size).update(from: vector(operands, batch, head, place), count: own.size)
    }
  }
}

private struct DoubleAttentionHead {
  let attributes: AttentionAttributes
  let scale: Double
  let q: HeadLayout
  let key: DoubleCache
  let value: DoubleCache
  let output: HeadLayout
  let mask: AttentionMask?
  let visible: VisibleKeys
  let writesScores: Bool

  func run(_ operands: KernelOperands, batch: Int, head: Int) {
    let keys = key.length
    let shared = head / (q.heads / key.own.heads)
    let row = operands.threadScratch.assumingMemoryBound(to: Double.self)
    let visible = visible.count(operands, batch: batch)
    for query in 0..<q.length {
      let vector = operands.input(0, as: Double.self) + q.offset(batch, head) + query * q.step
      for place in 0..<keys {
        let other = key.vector(operands, batch, shared, place)
        var sum = 0.0
        for index in 0..<q.size { sum += vector[index] * other[index] }
        row[place] = sum * scale
      }
      finish(
        row, operands, batch: batch, head: head, query: query,
        seen: self.visible.count(of: visible, query: query))
      let target = operands.output(0, as: Double.self) + output.offset(batch, head) + query * output.step
      target.update(repeating: 0, count: value.own.size)
      for place in 0..<keys {
        let other = value.vector(operands, batch, shared, place)
        for index in 0..<value.own.size { target[index] += row[place] * other[index] }
      }
    }
  }

  /// Turns the products of one query with all keys into probabilities.
  private func finish(
    _ row: UnsafeMutablePointer<Double>, _ operands: KernelOperands, batch: Int, head: Int, query: Int,
    seen: Int
  ) {
    let keys = key.length
    func show(_ stage: AttentionAttributes.ScoreOutput) {
      if !writesScores || attributes.scoreOutput != stage { return }
      let target = operands.output(3, as: Double.self)
      (target + ((batch * q.heads + head) * q.length + query) * keys).update(from: row, count: keys)
    }
    show(.product)
    if attributes.softcap > 0 {
      let cap = Double(attributes.softcap)
      for place in 0..<keys { row[place] = tanh(row[place] / cap) * cap }
    }
    show(.capped)
    mask?.apply(operands, row, batch: batch, head: head, query: query)
    for place in seen..<keys { row[place] = -.infinity }
    show(.masked)
    var top = -Double.infinity
    for place in 0..<keys { top = Double.greater(top, row[place]) }
    var sum = 0.0
    for place in 0..<keys {
      row[place] = exp(row[place] - top)
      sum += row[place]
    }
    for place in 0..<keys { row[place] /= sum }
    show(.probabilities)
  }
}
