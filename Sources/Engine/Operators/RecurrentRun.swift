import CKernels
import GraphIR
import Tensors

/// The steps of a recurrent operator over pointers; every direction and batch entry stands for itself.
struct RecurrentRun {
  let cell: RecurrentCell
  let attributes: RecurrentAttributes
  let activations: [[RecurrentActivation]]
  let sizes: RecurrentSizes
  let places: RecurrentPlaces
  let inputWeights: AlignedBuffer?
  let recurrentWeights: AlignedBuffer?
  let hasBias: Bool
  let hasLengths: Bool
  let hasHidden: Bool
  let hasCell: Bool
  let hasPeepholes: Bool
  let writesSteps: Bool
  let writesHidden: Bool
  let writesCell: Bool
  let quantizesState: Bool

  private typealias Row = UnsafeMutablePointer<Float>

  private func scratch(_ operands: KernelOperands, _ place: Int, _ offset: Int) -> Row {
    (operands.sharedScratch + place).assumingMemoryBound(to: Float.self) + offset
  }

  private func weights(
    _ operands: KernelOperands, _ buffer: AlignedBuffer?, _ place: Int?, _ offset: Int
  ) -> Row {
    ((buffer?.bytes.baseAddress ?? operands.sharedScratch) + (place ?? 0))
      .assumingMemoryBound(to: Float.self) + offset
  }

  private func state(_ operands: KernelOperands, _ place: Int, _ direction: Int) -> Row {
    scratch(operands, place, direction * sizes.batch * sizes.hidden)
  }

  private var isLinear: Bool { if case .gru(isLinear: true) = cell { true } else { false } }

  // MARK: Before the steps

  /// Packs weights, adds up biases, and loads the initial states of one direction.
  func start(_ operands: KernelOperands, _ direction: Int) throws {
    if let place = places.input {
      sizes.packInput(
        operands.input(1) + direction * sizes.gateWidth * sizes.input,
        scratch(operands, place, direction * sizes.packedInputCount))
    }
    if let place = places.recurrent {
      sizes.packRecurrent(
        operands.input(2) + direction * sizes.gateWidth * sizes.hidden,
        scratch(operands, place, direction * sizes.packedRecurrentCount))
    }
    let bias = scratch(operands, places.bias, direction * sizes.gateWidth)
    let given: UnsafePointer<Float>? =
      hasBias ? operands.input(3, as: Float.self) + direction * 2 * sizes.gateWidth : nil
    // The reset gate scales the last recurrent bias too when it comes after the product.
    let joined = isLinear ? sizes.joinedGates * sizes.hidden : sizes.gateWidth
    for index in 0..<sizes.gateWidth {
      guard let given else {
        bias[index] = 0
        continue
      }
      bias[index] = given[index] + (index < joined ? given[sizes.gateWidth + index] : 0)
    }
    for entry in 0..<sizes.batch {
      if hasLengths {
        let length = Int(operands.input(4, as: Int32.self)[entry])
        if length < 0 || length > sizes.steps {
          throw OperatorFailure.invalid("length \(length) is out of range for \(sizes.steps) steps")
        }
      }
      let offset = entry * sizes.hidden
      load(
        hasHidden ? operands.input(5) : nil, state(operands, places.hidden, direction) + offset, direction,
        entry)
      load(
        hasCell ? operands.input(6) : nil, state(operands, places.cell, direction) + offset, direction, entry)
    }
  }

  private func load(_ initial: UnsafePointer<Float>?, _ target: Row, _ direction: Int, _ entry: Int) {
    if let initial {
      target.update(from: initial + sizes.state(direction, entry), count: sizes.hidden)
    } else {
      target.update(repeating: 0, count: sizes.hidden)
    }
  }

  /// The products of inputs with the input weights, with the bias.
  func project(_ operands: KernelOperands, _ direction: Int, rows: Range<Int>) {
    let total = sizes.steps * sizes.batch
    var epilogue = adze_epilogue_f32.none
    epilogue.column_bias = UnsafePointer(scratch(operands, places.bias, direction * sizes.gateWidth))
    var gemm = adze_gemm_f32(
      m: total, n: sizes.gateWidth, k: sizes.input, a: operands.input(0), a_row_stride: sizes.input,
      a_column_stride: 1,
      b_packed: weights(operands, inputWeights, places.input, direction * sizes.packedInputCount),
      c: scratch(operands, places.projected, direction * total * sizes.gateWidth),
      c_row_stride: sizes.gateWidth, accumulates: false, epilogue: epilogue)
    Kernels.current.gemm_f32(&gemm, rows.lowerBound, rows.upperBound, 0, sizes.panels(sizes.gateWidth))
  }

  // MARK: Steps

  /// All steps of the batch entries `rows`. A reverse direction begins at the end; entries whose sequence is
  /// shorter keep their state until it begins, or after it has ended.
  func walk(_ operands: KernelOperands, _ direction: Int, rows: Range<Int>) {
    let isReverse = attributes.direction == .reverse || direction == 1
    let hidden = state(operands, places.hidden, direction)
    for count in 0..<sizes.steps {
      let step = isReverse ? sizes.steps - 1 - count : count
      let gates = scratch(
        operands, places.projected,
        (direction * sizes.steps * sizes.batch + sizes.row(step, 0)) * sizes.gateWidth)
      multiply(operands, direction, hidden, gates, rows)
      if case .gru = cell { reset(operands, direction, hidden, gates, rows) }
      for entry in rows {
        let isActive = !hasLengths || step < Int(operands.input(4, as: Int32.self)[entry])
        if isActive { update(operands, direction, gates, entry) }
        if !writesSteps { continue }
        let target = operands.output(0, as: Float.self) + sizes.result(direction, step, entry)
        if isActive {
          target.update(from: hidden + entry * sizes.hidden, count: sizes.hidden)
        } else {
          target.update(repeating: 0, count: sizes.hidden)
        }
      }
    }
    for entry in rows {
      let target = sizes.state(direction, entry)
      if writesHidden {
        (operands.output(1, as: Float.self) + target).update(
          from: hidden + entry * sizes.hidden, count: sizes.hidden)
      }
      if writesCell {
        (operands.output(2, as: Float.self) + target).update(
          from: state(operands, places.cell, direction) + entry * sizes.hidden, count: sizes.hidden)
      }
    }
  }

  /// Adds the product of the state with the recurrent weights to the joined gates.
  private func multiply(
    _ operands: KernelOperands, _ direction: Int, _ hidden: Row, _ gates: Row, _ rows: Range<Int>
  ) {
    let columns = sizes.joinedGates * sizes.hidden
    var hidden = hidden
    if quantizesState {
      let rounded = state(operands, places.candidate, direction)
      DynamicRounding.round(hidden, rounded, count: sizes.batch * sizes.hidden)
      hidden = rounded
    }
    var gemm = adze_gemm_f32(
      m: sizes.batch, n: columns, k: sizes.hidden, a: hidden, a_row_stride: sizes.hidden, a_column_stride: 1,
      b_packed: weights(
        operands, recurrentWeights, places.recurrent, direction * sizes.packedRecurrentCount),
      c: gates, c_row_stride: sizes.entryStride * sizes.gateWidth, accumulates: true, epilogue: .none)
    Kernels.current.gemm_f32(&gemm, rows.lowerBound, rows.upperBound, 0, sizes.panels(columns))
  }

  /// The update and reset gates of a GRU, and what its new state is made of.
  private func reset(
    _ operands: KernelOperands, _ direction: Int, _ hidden: Row, _ gates: Row, _ rows: Range<Int>
  ) {
    let size = sizes.hidden
    let stride = sizes.entryStride * sizes.gateWidth
    let candidate = state(operands, places.candidate, direction)
    for entry in rows {
      let row = gates + entry * stride
      activate(row, direction, 0, count: 2 * size)
      if !isLinear {
        Kernels.current.mul_f32(
          1, size, row + size, 0, 1, hidden + entry * size, 0, 1, candidate + entry * size, 0)
      }
    }
    let weights = weights(
      operands, recurrentWeights, places.recurrent,
      direction * sizes.packedRecurrentCount + sizes.packedJoinedCount)
    var epilogue = adze_epilogue_f32.none
    if isLinear && hasBias {
      epilogue.column_bias =
        operands.input(3, as: Float.self) + direction * 2 * sizes.gateWidth + 5 * size
    }
    var gemm = adze_gemm_f32(
      m: sizes.batch, n: size, k: size, a: isLinear ? hidden : candidate, a_row_stride: size,
      a_column_stride: 1, b_packed: weights, c: isLinear ? candidate : gates + 2 * size,
      c_row_stride: isLinear ? size : stride, accumulates: !isLinear, epilogue: epilogue)
    Kernels.current.gemm_f32(&gemm, rows.lowerBound, rows.upperBound, 0, sizes.panels(size))
    for entry in rows {
      let row = gates + entry * stride
      if isLinear {
        let product = candidate + entry * size
        Kernels.current.mul_f32(1, size, row + size, 0, 1, product, 0, 1, product, 0)
        Kernels.current.add_f32(1, size, row + 2 * size, 0, 1, product, 0, 1, row + 2 * size, 0)
      }
      activate(row + 2 * size, direction, 1, count: size)
    }
  }

  /// The new state of one batch entry.
  private func update(_ operands: KernelOperands, _ direction: Int, _ gates: Row, _ entry: Int) {
    let size = sizes.hidden
    let row = gates + entry * sizes.entryStride * sizes.gateWidth
    let hidden = state(operands, places.hidden, direction) + entry * size
    switch cell {
    case .rnn:
      activate(row, direction, 0, count: size)
      hidden.update(from: row, count: size)
    case .gru:
      for index in 0..<size {
        hidden[index] = (1 - row[index]) * row[2 * size + index] + row[index] * hidden[index]
      }
    case .lstm(let couplesForget):
      let cell = state(operands, places.cell, direction) + entry * size
      let peepholes: UnsafePointer<Float>? =
        hasPeepholes ? operands.input(7, as: Float.self) + direction * 3 * size : nil
      updateCell(row, cell, peepholes, direction, couplesForget)
      hidden.update(from: cell, count: size)
      // The state itself is not clipped.
      activations[direction][2].apply(hidden, count: size)
      for index in 0..<size { hidden[index] *= row[size + index] }
    }
  }

  /// Gates of an LSTM lie as input, output, forget, candidate; its peepholes as input, output, forget.
  private func updateCell(
    _ row: Row, _ cell: Row, _ peepholes: UnsafePointer<Float>?, _ direction: Int, _ couplesForget: Bool
  ) {
    let size = sizes.hidden
    let (input, output, forget, candidate) = (row, row + size, row + 2 * size, row + 3 * size)
    if let peepholes {
      for index in 0..<size {
        input[index] += peepholes[index] * cell[index]
        forget[index] += peepholes[2 * size + index] * cell[index]
      }
    }
    activate(input, direction, 0, count: size)
    activate(forget, direction, 0, count: size)
    activate(candidate, direction, 1, count: size)
    for index in 0..<size {
      let kept = couplesForget ? 1 - input[index] : forget[index]
      cell[index] = kept * cell[index] + input[index] * candidate[index]
      if let peepholes { output[index] += peepholes[size + index] * cell[index] }
    }
    activate(output, direction, 0, count: size)
  }

  private func activate(_ row: Row, _ direction: Int, _ number: Int, count: Int) {
    if let clip = attributes.clip { Kernels.current.clip_f32(row, row, count, -clip, clip) }
    activations[direction][number].apply(row, count: count)
  }
}
