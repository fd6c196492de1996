import CKernels
import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let stateOperators: [OperatorEntry] = [
    OperatorEntry("CausalConvWithState", types: .single) { source in
      CausalConvOperator(activates: try CausalConvAttributes(source.node).activates)
    },
    OperatorEntry("LinearAttention", types: .single) { source in
      // The state may have another type than all else.
      if let state = source.element(3), state != .float32 {
        return WidenedOperator(
          LinearAttentionOperator(attributes: try LinearAttentionAttributes(source.node)))
      }
      return LinearAttentionOperator(attributes: try LinearAttentionAttributes(source.node))
    },
  ]
}

/// `CausalConvWithState`: each channel is convolved with its own taps, after what earlier calls left.
struct CausalConvOperator: ShapedOperator {
  let activates: Bool

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    let (batch, channels, length) = (shape[0], shape[1], shape[2])
    let taps = try request.input(1).shape[2]
    if batch * channels == 0 || taps < 1 { return .nothing }
    let (hasBias, hasPast, hasState) = (request.hasInput(2), request.hasInput(3), request.hasOutput(1))
    let activates = activates
    let silu = Kernels.current.silu_f32
    return Kernel(
      Kernels.name("causal_conv"), units: batch * channels, costPerUnit: length * taps + taps,
      threads: request.threads
    ) { operands, range in
      for row in range {
        let channel = row % channels
        let x = operands.input(0, as: Float.self) + row * length
        let y = operands.output(0, as: Float.self) + row * length
        let weights = operands.input(1, as: Float.self) + channel * taps
        let past = hasPast ? operands.input(3, as: Float.self) + row * (taps - 1) : nil
        y.update(repeating: hasBias ? operands.input(2, as: Float.self)[channel] : 0, count: length)
        for tap in 0..<taps {
          // Places before this one meet the past.
          let split = min(taps - 1 - tap, length)
          if let past { for place in 0..<split { y[place] += weights[tap] * past[place + tap] } }
          for place in split..<length { y[place] += weights[tap] * x[place + tap - (taps - 1)] }
        }
        if activates { silu(y, y, length, 1, 0) }
        if hasState { Self.keep(operands.output(1) + row * (taps - 1), taps - 1, x, length, past) }
      }
    }
  }

  /// The last `count` places of the past and the input together.
  private static func keep(
    _ state: UnsafeMutablePointer<Float>, _ count: Int, _ x: UnsafePointer<Float>, _ length: Int,
    _ past: UnsafePointer<Float>?
  ) {
    let old = max(0, count - length)
    for place in 0..<old { state[place] = past?[length + place] ?? 0 }
    for place in old..<count { state[place] = x[length - count + place] }
  }
}

/// `LinearAttention`: a matrix for each key head that every place of the sequence fades, corrects and adds to, and
/// that its queries read.
struct LinearAttentionOperator: ShapedOperator {
  let attributes: LinearAttentionAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let queries = try request.input(0).shape
    let heads = attributes.keyHeads
    let keySize = try request.input(1).shape[2] / heads
    let valueSize = try request.input(2).shape[2] / heads
    let (batch, length) = (queries[0], queries[1])
    if batch == 0 { return .nothing }
    var scratch = ScratchLayout()
    let state = try scratch.add(floats: keySize, valueSize)
    let change = try scratch.add(floats: valueSize)
    let head = LinearAttentionHead(
      attributes: attributes, scale: attributes.scale ?? 1 / Float(keySize).squareRoot(), length: length,
      keySize: keySize, valueSize: valueSize, decayWidth: request.optionalInput(4)?.shape[2] ?? 0,
      betaWidth: request.optionalInput(5)?.shape[2] ?? 0, hasPast: request.hasInput(3),
      hasState: request.hasOutput(1), state: state, change: change)
    let split = WorkSplit(
      units: batch * heads, costPerUnit: length * keySize * valueSize, threads: request.threads)
    let phase = Kernel.Phase(pieces: split.pieces) { operands, piece in
      for unit in split.range(of: piece) { head.run(operands, batch: unit / heads, head: unit % heads) }
    }
    return Kernel("linear_attention", phases: [phase], threadScratch: scratch.byteCount)
  }
}

/// What one key head of one batch entry computes.
private struct LinearAttentionHead {
  let attributes: LinearAttentionAttributes
  let scale: Float
  let length: Int
  let keySize: Int
  let valueSize: Int
  let decayWidth: Int
  let betaWidth: Int
  let hasPast: Bool
  let hasState: Bool
  /// Places in the thread's scratch memory.
  let state: Int
  let change: Int

  func run(_ operands: KernelOperands, batch: Int, head: Int) {
    let count = keySize * valueSize
    let heads = attributes.keyHeads
    let state = (operands.threadScratch + state).assumingMemoryBound(to: Float.self)
    let place = (batch * heads + head) * count
    if hasPast {
      state.update(from: operands.input(3) + place, count: count)
    } else {
      state.update(repeating: 0, count: count)
    }
    for step in 0..<length {
      let row = batch * length + step
      if attributes.rule.decays { fade(state, operands.input(4) + row * decayWidth, head) }
      add(
        state, operands, key: operands.input(1) + (row * heads + head) * keySize,
        value: operands.input(2) + (row * heads + head) * valueSize, row, head)
      let group = attributes.queryHeads / heads
      for query in (head * group)..<((head + 1) * group) {
        let index = row * attributes.queryHeads + query
        read(state, operands.input(0) + index * keySize, operands.output(0) + index * valueSize)
      }
    }
    if hasState { (operands.output(1, as: Float.self) + place).update(from: state, count: count) }
  }

  /// One factor for the whole head, or one for each key feature.
  private func fade(_ state: UnsafeMutablePointer<Float>, _ decay: UnsafePointer<Float>, _ head: Int) {
    let isShared = decayWidth == attributes.keyHeads
    for feature in 0..<keySize {
      let factor = expf(decay[isShared ? head : head * keySize + feature])
      let line = state + feature * valueSize
      for index in 0..<valueSize { line[index] *= factor }
    }
  }

  private func add(
    _ state: UnsafeMutablePointer<Float>, _ operands: KernelOperands, key: UnsafePointer<Float>,
    value: UnsafePointer<Float>, _ row: Int, _ head: Int
  ) {
    let change = (operands.threadScratch + change).assumingMemoryBound(to: Float.self)
    change.update(from: value, count: valueSize)
    if attributes.rule.corrects {
      for feature in 0..<keySize {
        let line = state + feature * valueSize
        for index in 0..<valueSize { change[index] -= line[index] * key[feature] }
      }
      let beta = operands.input(5, as: Float.self)[row * betaWidth + (betaWidth == 1 ? 0 : head)]
      for index in 0..<valueSize { change[index] *= beta }
    }
    for feature in 0..<keySize {
      let line = state + feature * valueSize
      for index in 0..<valueSize { line[index] += key[feature] * change[index] }
    }
  }

  private func read(
    _ state: UnsafePointer<Float>, _ query: UnsafePointer<Float>, _ result: UnsafeMutablePointer<Float>
  ) {
    result.update(repeating: 0, count: valueSize)
    for feature in 0..<keySize {
      let line = state + feature * valueSize
      for index in 0..<valueSize { result[index] += query[feature] * line[index] }
    }
    for index in 0..<valueSize { result[index] *= scale }
  }
}
