import GraphIR
import Tensors

/// RNN, GRU and LSTM in float64: one sum after the other, without kernels. Exporters hardly ever write it.
struct DoubleRecurrentOperator: ShapedOperator {
  let cell: RecurrentCell
  let attributes: RecurrentAttributes
  let functions: [[RecurrentFunction]]

  init(_ source: OperatorSource, _ cell: RecurrentCell) throws {
    self.cell = cell
    attributes = try RecurrentAttributes(source.node)
    functions = try RecurrentFunction.all(
      source.node, directions: attributes.direction.count, defaults: cell.defaultActivations)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let x = try request.input(0).shape
    let hidden = try request.input(2).shape[2]
    let sizes = RecurrentSizes(
      steps: attributes.isBatchFirst ? x[1] : x[0], batch: attributes.isBatchFirst ? x[0] : x[1],
      input: x[2], hidden: hidden, directions: attributes.direction.count, gates: cell.gates,
      joinedGates: cell.joinedGates, isBatchFirst: attributes.isBatchFirst)
    if sizes.batch == 0 || sizes.hidden == 0 { return .nothing }
    var scratch = ScratchLayout()
    // A double takes the room of two floats.
    let gates = try scratch.add(floats: 2, cell.gates, hidden)
    let state = try scratch.add(floats: 2, hidden)
    let memory = try scratch.add(floats: 2, hidden)
    let reset = try scratch.add(floats: 2, hidden)
    let has = (0..<8).map { request.hasInput($0) }
    let writes = (0..<3).map { request.hasOutput($0) }
    let phase = Kernel.Phase(pieces: sizes.directions * sizes.batch) { operands, piece in
      func place(_ offset: Int) -> UnsafeMutablePointer<Double> {
        (operands.threadScratch + offset).assumingMemoryBound(to: Double.self)
      }
      let run = DoubleRecurrentRun(
        cell: cell, attributes: attributes, sizes: sizes, operands: operands, has: has, writes: writes,
        functions: functions[piece / sizes.batch], direction: piece / sizes.batch,
        entry: piece % sizes.batch, gates: place(gates), state: place(state), memory: place(memory),
        reset: place(reset))
      run.walk()
    }
    return Kernel("recurrent_f64", phases: [phase], threadScratch: scratch.byteCount)
  }
}

/// All steps of one direction of one batch entry.
private struct DoubleRecurrentRun {
  typealias Row = UnsafeMutablePointer<Double>

  let cell: RecurrentCell
  let attributes: RecurrentAttributes
  let sizes: RecurrentSizes
  let operands: KernelOperands
  let has: [Bool]
  let writes: [Bool]
  let functions: [RecurrentFunction]
  let direction: Int
  let entry: Int
  let gates: Row
  let state: Row
  /// The cell state of an LSTM.
  let memory: Row
  let reset: Row

  private func input(_ index: Int, _ offset: Int = 0) -> UnsafePointer<Double> {
    operands.input(index, as: Double.self) + offset
  }

  private func activated(_ number: Int, _ value: Double) -> Double {
    guard let clip = attributes.clip else { return functions[number](value) }
    return functions[number](Double.lesser(Double.greater(value, -Double(clip)), Double(clip)))
  }

  func walk() {
    let size = sizes.hidden
    for (index, row) in [(5, state), (6, memory)] {
      if has[index] {
        row.update(from: input(index, sizes.state(direction, entry)), count: size)
      } else {
        row.update(repeating: 0, count: size)
      }
    }
    let isReverse = attributes.direction == .reverse || direction == 1
    let length = has[4] ? Int(operands.input(4, as: Int32.self)[entry]) : sizes.steps
    for count in 0..<sizes.steps {
      let step = isReverse ? sizes.steps - 1 - count : count
      if step < length { advance(step) }
      if !writes[0] { continue }
      let target = operands.output(0, as: Double.self) + sizes.result(direction, step, entry)
      if step < length {
        target.update(from: state, count: size)
      } else {
        target.update(repeating: 0, count: size)
      }
    }
    for (output, row) in [(1, state), (2, memory)] where writes[output] {
      (operands.output(output, as: Double.self) + sizes.state(direction, entry)).update(
        from: row, count: size)
    }
  }

  private func bias(_ row: Int) -> Double { has[3] ? input(3)[direction * 2 * sizes.gateWidth + row] : 0 }

  /// Row `row` of the recurrent weights times `values`.
  private func recurrent(_ row: Int, _ values: Row) -> Double {
    let weights = input(2, (direction * sizes.gateWidth + row) * sizes.hidden)
    var sum = 0.0
    for index in 0..<sizes.hidden { sum += weights[index] * values[index] }
    return sum
  }

  private func advance(_ step: Int) {
    let x = input(0, sizes.row(step, entry) * sizes.input)
    for row in 0..<sizes.gateWidth {
      let weights = input(1, (direction * sizes.gateWidth + row) * sizes.input)
      var sum = bias(row)
      for index in 0..<sizes.input { sum += weights[index] * x[index] }
      gates[row] = sum
    }
    switch cell {
    case .rnn:
      join(rows: sizes.hidden)
      for index in 0..<sizes.hidden { state[index] = activated(0, gates[index]) }
    case .gru(let isLinear): advanceGRU(isLinear: isLinear)
    case .lstm(let couplesForget):
      join(rows: sizes.gateWidth)
      advanceLSTM(couplesForget: couplesForget)
    }
  }

  private func join(rows: Int) {
    for row in 0..<rows { gates[row] += recurrent(row, state) + bias(sizes.gateWidth + row) }
  }

  private func advanceGRU(isLinear: Bool) {
    let size = sizes.hidden
    join(rows: 2 * size)
    for row in 0..<(2 * size) { gates[row] = activated(0, gates[row]) }
    for index in 0..<size { reset[index] = gates[size + index] * state[index] }
    for index in 0..<size {
      let row = 2 * size + index
      let extra = bias(sizes.gateWidth + row)
      gates[row] +=
        isLinear ? gates[size + index] * (recurrent(row, state) + extra) : recurrent(row, reset) + extra
    }
    for index in 0..<size {
      let candidate = activated(1, gates[2 * size + index])
      state[index] = (1 - gates[index]) * candidate + gates[index] * state[index]
    }
  }

  /// Gates lie as input, output, forget, candidate; peepholes as input, output, forget.
  private func advanceLSTM(couplesForget: Bool) {
    let size = sizes.hidden
    let peepholes = has[7] ? input(7, direction * 3 * size) : nil
    for index in 0..<size {
      let old = memory[index]
      let taken = activated(0, gates[index] + (peepholes?[index] ?? 0) * old)
      let forget = activated(0, gates[2 * size + index] + (peepholes?[2 * size + index] ?? 0) * old)
      let candidate = activated(1, gates[3 * size + index])
      memory[index] = (couplesForget ? 1 - taken : forget) * old + taken * candidate
      let output = activated(0, gates[size + index] + (peepholes?[size + index] ?? 0) * memory[index])
      // The state itself is not clipped.
      state[index] = output * functions[2](memory[index])
    }
  }
}
