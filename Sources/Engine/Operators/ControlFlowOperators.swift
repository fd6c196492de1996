import GraphIR
import Tensors

extension EngineTable {
  static let controlFlowOperators: [OperatorEntry] = [
    OperatorEntry(dynamic: "If") { source in
      let bodies = try BodySource(source)
      return IfOperator(yes: try bodies.body("then_branch"), no: try bodies.body("else_branch"))
    },
    OperatorEntry(dynamic: "Loop") { source in
      let bodies = try BodySource(source)
      return LoopOperator(
        body: try bodies.body("body"), carried: bodies.node.inputs.count - 2, options: source.options)
    },
    OperatorEntry(dynamic: "Scan") { source in
      let bodies = try BodySource(source)
      return ScanOperator(
        body: try bodies.body("body"), inputCount: bodies.node.inputs.count,
        attributes: try ScanAttributes(bodies.node), options: source.options)
    },
    OperatorEntry(dynamic: "SequenceMap") { source in
      let bodies = try BodySource(source)
      return SequenceMapOperator(
        body: try bodies.body("body"), inputCount: bodies.node.inputs.count, options: source.options)
    },
  ]
}

/// Counts the turns of one run of a loop.
private struct LoopBound {
  private let options: CompileOptions
  private let start = MonotonicClock.nanoseconds
  private var turns = 0

  init(_ options: CompileOptions) { self.options = options }

  mutating func countTurn() throws {
    turns += 1
    if turns > options.loopTurnLimit {
      throw OperatorFailure.invalid("it takes more than \(options.loopTurnLimit) turns")
    }
    if (MonotonicClock.nanoseconds - start) / 1_000_000_000 >= options.loopSecondsLimit {
      throw OperatorFailure.invalid("it runs for more than \(options.loopSecondsLimit) seconds")
    }
  }
}

/// What the turns of a loop give beside its state.
private struct ScanResults {
  private(set) var tensors: [[Tensor]]
  private let limit: Int
  private var bytes = 0

  init(count: Int, limit: Int) {
    tensors = Array(repeating: [], count: count)
    self.limit = limit
  }

  mutating func append(_ values: ArraySlice<RuntimeValue>) throws {
    for (index, value) in values.enumerated() {
      guard let tensor = value.tensor else {
        throw OperatorFailure.invalid("scan output \(index) of its body is no tensor")
      }
      bytes += tensor.byteCount
      if bytes > limit { throw EngineError.memoryLimit(bytes: bytes, limit: limit) }
      tensors[index].append(tensor)
    }
  }
}

/// `If`.
struct IfOperator: DynamicOperator {
  let yes: Body
  let no: Body

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let inputs = ValueInputs(inputs)
    return try (inputs.flag(0) ? yes : no).run([], node: inputs, context)
  }
}

/// `Loop`: as often as the trip count says, while the condition holds.
struct LoopOperator: DynamicOperator {
  let body: Body
  let carried: Int
  let options: CompileOptions

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let inputs = ValueInputs(inputs)
    let trips = inputs.optional(0) == nil ? Int.max : try inputs.integer(0)
    var goesOn = inputs.optional(1) == nil ? true : try inputs.flag(1)
    var state = try (0..<carried).map { try inputs.value($0 + 2) }
    var results = ScanResults(count: body.graph.outputs.count - 1 - carried, limit: context.memoryLimit)
    var bound = LoopBound(options)
    var turn = 0
    while goesOn && turn < trips {
      try bound.countTurn()
      let head: [RuntimeValue] = [
        .tensor(try Tensor(shape: shape(ofInput: 0), [turn])),
        .tensor(try Tensor(shape: shape(ofInput: 1), [goesOn])),
      ]
      let outputs = try body.run(head + state, node: inputs, context)
      goesOn = try ValueInputs([outputs[0]]).flag(0)
      state = Array(outputs[1...].prefix(carried))
      try results.append(outputs[(1 + carried)...])
      turn += 1
    }
    let scans = try results.tensors.enumerated().map { index, tensors in
      tensors.isEmpty
        ? try body.emptyResult(1 + carried + index, addingAxis: 0)
        : .tensor(try TensorPieces.stack(tensors, axis: 0, limit: context.memoryLimit))
    }
    return state + scans
  }

  /// The counter and the condition are scalars, but some writers declare one element on one axis.
  private func shape(ofInput index: Int) -> Shape {
    body.graph[body.graph.inputs[index]].type?.tensor?.dimensions?.count == 1 ? [1] : .scalar
  }
}

/// `Scan`: one turn for each slice of the scanned inputs.
struct ScanOperator: DynamicOperator {
  let body: Body
  let inputCount: Int
  let attributes: ScanAttributes
  let options: CompileOptions

  private var stateCount: Int { inputCount - attributes.scanInputCount }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let inputs = ValueInputs(inputs)
    var state = try (0..<stateCount).map { try inputs.value($0) }
    let scanned = try (0..<attributes.scanInputCount).map { try inputs.tensor(stateCount + $0) }
    let axes = try scanned.enumerated().map { index, tensor in
      guard let axis = tensor.shape.axis(attributes.inputAxes?[index] ?? 0) else {
        throw OperatorFailure.invalid("the axis of scanned input \(index) is out of range")
      }
      return axis
    }
    let length = scanned[0].shape[axes[0]]
    guard zip(scanned, axes).allSatisfy({ $0.shape[$1] == length }) else {
      throw OperatorFailure.invalid("the scanned inputs differ in length")
    }
    var results = ScanResults(count: body.graph.outputs.count - stateCount, limit: context.memoryLimit)
    var bound = LoopBound(options)
    for turn in 0..<length {
      try bound.countTurn()
      let slices = try scanned.indices.map { index -> RuntimeValue in
        let isBackward = attributes.inputDirections?[index] == 1
        let tensor = scanned[index]
        return .tensor(try Self.element(tensor, axes[index], isBackward ? length - 1 - turn : turn))
      }
      let outputs = try body.run(state + slices, node: inputs, context)
      state = Array(outputs.prefix(stateCount))
      try results.append(outputs[stateCount...])
    }
    return try state + results.tensors.enumerated().map { try joined($0, $1, context) }
  }

  private func joined(_ index: Int, _ tensors: [Tensor], _ context: DynamicContext) throws -> RuntimeValue {
    let axis = attributes.outputAxes?[index] ?? 0
    if tensors.isEmpty { return try body.emptyResult(stateCount + index, addingAxis: axis) }
    let isBackward = attributes.outputDirections?[index] == 1
    return .tensor(
      try TensorPieces.stack(
        isBackward ? tensors.reversed() : tensors, axis: axis, limit: context.memoryLimit))
  }

  private static func element(_ tensor: Tensor, _ axis: Int, _ index: Int) throws -> Tensor {
    let slice = try TensorPieces.slice(tensor, axis: axis, index..<(index + 1))
    var dimensions = slice.shape.dimensions
    dimensions.remove(at: axis)
    return try slice.reshaped(to: Shape(dimensions))
  }
}

/// `SequenceMap`: one turn for each element of the first input; tensors are the same in every turn.
struct SequenceMapOperator: DynamicOperator {
  let body: Body
  let inputCount: Int
  let options: CompileOptions

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let inputs = ValueInputs(inputs)
    let count = try inputs.sequence(0).count
    var results = [[RuntimeValue]](repeating: [], count: body.graph.outputs.count)
    var bound = LoopBound(options)
    for turn in 0..<count {
      try bound.countTurn()
      let arguments = try (0..<inputCount).map { index -> RuntimeValue in
        guard case .sequence(let values) = try inputs.value(index) else { return try inputs.value(index) }
        if values.count != count { throw OperatorFailure.invalid("the sequences differ in length") }
        return values[turn]
      }
      for (index, value) in try body.run(arguments, node: inputs, context).enumerated() {
        results[index].append(value)
      }
    }
    return results.map(RuntimeValue.sequence)
  }
}
