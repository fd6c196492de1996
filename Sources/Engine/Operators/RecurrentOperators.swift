import CKernels
import GraphIR
import Tensors

extension EngineTable {
  static let recurrentOperators: [OperatorEntry] = [
    OperatorEntry("RNN", types: .single) { try RecurrentOperator($0, .rnn) },
    OperatorEntry("GRU", types: .single) { source in
      try RecurrentOperator(source, .gru(isLinear: try source.node.flag("linear_before_reset")))
    },
    OperatorEntry("LSTM", types: .single) { source in
      try RecurrentOperator(source, .lstm(couplesForget: try source.node.flag("input_forget")))
    },
  ]
}

/// The kind of cell, with what is particular to it.
enum RecurrentCell {
  case rnn
  /// `isLinear`: the reset gate takes part after the product with the recurrent weights.
  case gru(isLinear: Bool)
  /// `couplesForget`: the forget gate is one minus the input gate.
  case lstm(couplesForget: Bool)

  var gates: Int {
    switch self {
    case .rnn: 1
    case .gru: 3
    case .lstm: 4
    }
  }

  /// Gates whose products with the recurrent weights are added to the projected inputs at once.
  var joinedGates: Int { if case .gru = self { 2 } else { gates } }

  var defaultActivations: [String] {
    switch self {
    case .rnn: ["Tanh"]
    case .gru: ["Sigmoid", "Tanh"]
    case .lstm: ["Sigmoid", "Tanh", "Tanh"]
    }
  }
}

/// RNN, GRU and LSTM in float32. All inputs are projected by one product for each direction; then each step adds
/// the product of the state with the recurrent weights.
struct RecurrentOperator: ShapedOperator {
  let cell: RecurrentCell
  let attributes: RecurrentAttributes
  let activations: [[RecurrentActivation]]
  /// Each step multiplies with the rounded states of the whole batch (`DynamicRounding`).
  var quantizesState = false
  private let packedInput = PackedWeights()
  private let packedRecurrent = PackedWeights()

  init(_ source: OperatorSource, _ cell: RecurrentCell) throws {
    self.cell = cell
    attributes = try RecurrentAttributes(source.node)
    activations = try RecurrentActivation.all(
      source.node, directions: attributes.direction.count, defaults: cell.defaultActivations)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let x = try request.input(0).shape
    let recurrent = try request.input(2).shape
    let sizes = RecurrentSizes(
      steps: attributes.isBatchFirst ? x[1] : x[0], batch: attributes.isBatchFirst ? x[0] : x[1],
      input: x[2], hidden: recurrent[2], directions: attributes.direction.count, gates: cell.gates,
      joinedGates: cell.joinedGates, isBatchFirst: attributes.isBatchFirst)
    if sizes.batch == 0 || sizes.hidden == 0 { return .nothing }
    var scratch = ScratchLayout()
    let inputBuffer = try request.weight(1).map { weight in
      try packedInput.get { try sizes.packed(weight, sizes.packInput, sizes.packedInputCount) }
    }
    let recurrentBuffer = try request.weight(2).map { weight in
      try packedRecurrent.get { try sizes.packed(weight, sizes.packRecurrent, sizes.packedRecurrentCount) }
    }
    let places = RecurrentPlaces(
      input: inputBuffer == nil ? try scratch.add(floats: sizes.directions, sizes.packedInputCount) : nil,
      recurrent: recurrentBuffer == nil
        ? try scratch.add(floats: sizes.directions, sizes.packedRecurrentCount) : nil,
      bias: try scratch.add(floats: sizes.directions, sizes.gates, sizes.hidden),
      projected: try scratch.add(
        floats: sizes.directions, sizes.steps, sizes.batch, sizes.gates * sizes.hidden),
      hidden: try scratch.add(floats: sizes.directions, sizes.batch, sizes.hidden),
      cell: try scratch.add(floats: sizes.directions, sizes.batch, sizes.hidden),
      candidate: try scratch.add(floats: sizes.directions, sizes.batch, sizes.hidden))
    let run = RecurrentRun(
      cell: cell, attributes: attributes, activations: activations, sizes: sizes, places: places,
      inputWeights: inputBuffer, recurrentWeights: recurrentBuffer, hasBias: request.hasInput(3),
      hasLengths: request.hasInput(4), hasHidden: request.hasInput(5), hasCell: request.hasInput(6),
      hasPeepholes: request.hasInput(7), writesSteps: request.hasOutput(0),
      writesHidden: request.hasOutput(1), writesCell: request.hasOutput(2), quantizesState: quantizesState)
    return Kernel(
      Kernels.name("recurrent_f32"), phases: phases(run, threads: request.threads),
      sharedScratch: scratch.byteCount)
  }

  private func phases(_ run: RecurrentRun, threads: Int) -> [Kernel.Phase] {
    let sizes = run.sizes
    let start = Kernel.Phase(pieces: sizes.directions) { operands, direction in
      try run.start(operands, direction)
    }
    let rows = sizes.steps * sizes.batch
    let split = WorkSplit(
      units: rows, costPerUnit: sizes.gateWidth * max(sizes.input, 1) / 8, threads: threads,
      granularity: Kernels.current.gemm_f32_rows)
    let projection = Kernel.Phase(pieces: sizes.directions * split.pieces) { operands, piece in
      let (direction, part) = piece.quotientAndRemainder(dividingBy: split.pieces)
      run.project(operands, direction, rows: split.range(of: part))
    }
    let batches = WorkSplit(
      units: sizes.batch, costPerUnit: sizes.steps * sizes.gateWidth * sizes.hidden / 8,
      threads: quantizesState ? 1 : threads,
      granularity: Kernels.current.gemm_f32_rows)
    let steps = Kernel.Phase(pieces: sizes.directions * batches.pieces) { operands, piece in
      let (direction, part) = piece.quotientAndRemainder(dividingBy: batches.pieces)
      run.walk(operands, direction, rows: batches.range(of: part))
    }
    return [start, projection, steps]
  }
}

/// The extents of a recurrent operator.
struct RecurrentSizes {
  let steps: Int
  let batch: Int
  let input: Int
  let hidden: Int
  let directions: Int
  let gates: Int
  let joinedGates: Int
  let isBatchFirst: Bool

  var gateWidth: Int { gates * hidden }
  var panel: Int { Kernels.current.gemm_f32_panel }
  func panels(_ columns: Int) -> Int { (columns + panel - 1) / panel }

  var packedInputCount: Int { adze_gemm_f32_packed_count(Kernels.table, input, gateWidth) }
  var packedJoinedCount: Int { adze_gemm_f32_packed_count(Kernels.table, hidden, joinedGates * hidden) }
  /// The gates that are joined, then the one that is not.
  var packedRecurrentCount: Int {
    packedJoinedCount
      + adze_gemm_f32_packed_count(Kernels.table, hidden, (gates - joinedGates) * hidden)
  }

  /// The row of step `step` and batch entry `entry` among all inputs.
  @inline(__always) func row(_ step: Int, _ entry: Int) -> Int {
    isBatchFirst ? entry * steps + step : step * batch + entry
  }
  /// Rows from one batch entry to the next.
  var entryStride: Int { isBatchFirst ? steps : 1 }

  /// Where the state of a batch entry lies in an input or output.
  @inline(__always) func state(_ direction: Int, _ entry: Int) -> Int {
    (isBatchFirst ? entry * directions + direction : direction * batch + entry) * hidden
  }

  /// Where a step's output lies.
  @inline(__always) func result(_ direction: Int, _ step: Int, _ entry: Int) -> Int {
    isBatchFirst
      ? ((entry * steps + step) * directions + direction) * hidden
      : ((step * directions + direction) * batch + entry) * hidden
  }

  /// Packs one direction's `[gates * hidden, input]`.
  func packInput(_ weights: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>) {
    Kernels.current.pack_b_f32(weights, 1, input, input, gateWidth, target, 0, panels(gateWidth))
  }

  /// Packs one direction's `[gates * hidden, hidden]`.
  func packRecurrent(_ weights: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>) {
    let joined = joinedGates * hidden
    Kernels.current.pack_b_f32(weights, 1, hidden, hidden, joined, target, 0, panels(joined))
    let rest = gateWidth - joined
    if rest > 0 {
      Kernels.current.pack_b_f32(
        weights + joined * hidden, 1, hidden, hidden, rest, target + packedJoinedCount, 0, panels(rest))
    }
  }

  /// All directions of a weight.
  func packed(
    _ weight: Tensor, _ pack: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void, _ count: Int
  ) throws -> AlignedBuffer {
    var layout = ScratchLayout()
    _ = try layout.add(floats: directions, count)
    let buffer = try AlignedBuffer(byteCount: layout.byteCount)
    let target = buffer.bytes.baseAddress!.assumingMemoryBound(to: Float.self)
    weight.withElements(Float.self) { elements in
      guard let source = elements.baseAddress else { return }
      for direction in 0..<directions {
        pack(source + direction * (elements.count / directions), target + direction * count)
      }
    }
    return buffer
  }
}

/// Places in the shared scratch memory, in bytes; packed weights are there when they are not known before the run.
struct RecurrentPlaces {
  let input: Int?
  let recurrent: Int?
  let bias: Int
  let projected: Int
  let hidden: Int
  let cell: Int
  let candidate: Int
}
