import GraphIR
import Tensors

/// Runs one program. It owns an arena and the plans for the input shapes it has seen.
///
/// Confined to one thread at a time. After `prepare` has made a plan for some shapes, running with them again
/// allocates nothing, unless the model has nodes whose result shapes depend on data.
public final class Session {
  /// Plans that are kept; the one that was not used for longest is dropped first.
  static let planLimit = 16

  /// Asked between nodes; true ends the run with `.cancelled`.
  public var isCancelled: (() -> Bool)?
  public var profiler: Profiler?
  /// How many requests the rows of a run belong to, each of equally many rows: programs that quantize by request
  /// (`Program.quantizesByRequest`) give each its own scales.
  public var requestsPerRun = 1

  public let program: Program
  public let team: ThreadTeam
  /// The most bytes that the values of a run may take together.
  private let arenaLimit: Int

  private var arena: AlignedBuffer?
  /// Most recently used first.
  private var plans: [Plan] = []
  /// By value id: values that do not lie in the arena.
  private var dynamicValues: [RuntimeValue?]
  private let bodies = BodySessions()
  /// For plans whose rows are computed one by one.
  private var lanes: RowLanes?

  public convenience init(_ program: Program, team: ThreadTeam) {
    self.init(program, team: team, arenaLimit: program.options.arenaLimit)
  }

  init(_ program: Program, team: ThreadTeam, arenaLimit: Int) {
    self.program = program
    self.team = team
    self.arenaLimit = arenaLimit
    dynamicValues = Array(repeating: nil, count: program.graph.values.count)
  }

  /// Plans that are kept now.
  var planCount: Int { plans.count }

  /// Bytes of all arenas, which are as large as the largest plan so far needed.
  public var arenaBytes: Int { ownBytes + (lanes?.arenaBytes ?? 0) }

  private var ownBytes: Int { arena?.count ?? 0 }

  /// Computes the outputs for `inputs`, given in the order of `Program.inputs`.
  /// - Throws: `EngineError`; wrong counts, types and shapes name the input.
  public func run(_ inputs: [Tensor]) throws(EngineError) -> [Tensor] {
    if inputs.count != program.inputs.count {
      throw .inputCount(expected: program.inputs.count, actual: inputs.count)
    }
    for (port, tensor) in zip(program.inputs, inputs) where port.element != tensor.type {
      throw .inputType(name: port.name, expected: port.element.name, actual: tensor.type.name)
    }
    try prepare(inputs.map(\.shape))
    for (index, tensor) in inputs.enumerated() { setInput(index, tensor) }
    try execute()
    return program.outputs.indices.map { output($0) }
  }

  /// Computes the outputs for inputs of any kind, given in the order of `Program.inputs`.
  /// - Throws: `EngineError`; wrong counts, kinds, types and shapes name the input.
  public func run(values: [RuntimeValue]) throws(EngineError) -> [RuntimeValue] {
    let graph = program.graph
    if values.count != graph.inputs.count {
      throw .inputCount(expected: graph.inputs.count, actual: values.count)
    }
    for (id, value) in zip(graph.inputs, values) {
      guard let type = graph[id].type, !value.fits(type) else { continue }
      throw .inputType(name: graph[id].name, expected: type.description, actual: value.typeName)
    }
    try InputCheck.optionals(values, program)
    // An empty optional has no shape: its port takes any.
    try choosePlan(values.map { $0.tensor?.shape ?? .scalar })
    for (index, value) in values.enumerated() {
      if case .dynamic(let id) = plan.inputs[index] {
        dynamicValues[Int(id.index)] = value
      } else if let tensor = value.tensor {
        setInput(index, tensor)
      }
    }
    try execute()
    return try graph.outputs.indices.map { index throws(EngineError) in
      if case .dynamic(let id) = plan.outputs[index] {
        if let value = dynamicValues[Int(id.index)] { return value }
        throw .invalidModel("output '\(graph[id].name)' has no value")
      }
      return .tensor(output(index))
    }
  }

  // MARK: Plans

  private var plan: Plan {
    guard let plan = plans.first else { preconditionFailure("a session is used before `prepare`") }
    return plan
  }

  /// Finds or makes the plan for these input shapes, and makes it the current one.
  /// - Throws: `.inputCount`, `.inputShape`, what planning finds wrong, `.memoryLimit`, `.outOfMemory`.
  public func prepare(_ shapes: [Shape]) throws(EngineError) {
    for port in program.inputs + program.outputs where !port.isTensor {
      throw .invalidModel("'\(port.name)' is no tensor: only run(values:) can take or give it")
    }
    try choosePlan(shapes)
  }

  private func choosePlan(_ shapes: [Shape]) throws(EngineError) {
    if let position = plans.firstIndex(where: { $0.shapes == shapes }) {
      if position > 0 { plans.insert(plans.remove(at: position), at: 0) }
    } else {
      try InputCheck.shapes(shapes, program)
      let plan = try makePlan(shapes)
      if plans.count == Session.planLimit { plans.removeLast() }
      plans.insert(plan, at: 0)
    }
    try reserve(plan.arenaBytes)
    plan.bind(base)
    if let rows = plan.rows { try rowLanes.prepare(rows) }
  }

  private func makePlan(_ shapes: [Shape]) throws(EngineError) -> Plan {
    if let plan = rowPlan(shapes) { return plan }
    let draft = try PlanDraft.make(program, shapes: shapes, team: team, arenaLimit: arenaLimit)
    return Plan(draft, shapes: shapes)
  }

  /// nil when the rows are better together, or when a row for each thread does not fit into the memory of a run.
  private func rowPlan(_ shapes: [Shape]) -> Plan? {
    guard let rows = RowSplit(program, shapes: shapes, team: team),
      let plan = try? Plan(rows, shapes: shapes, limit: rowLanes.arenaLimit),
      (try? rowLanes.prepare(rows)) != nil
    else { return nil }
    return plan
  }

  private var rowLanes: RowLanes {
    if let lanes { return lanes }
    let made = RowLanes(program, team: team, arenaLimit: arenaLimit)
    lanes = made
    return made
  }

  private func reserve(_ bytes: Int) throws(EngineError) {
    // One byte at least, so that there is always a base to bind to.
    if arena != nil && ownBytes >= bytes { return }
    arena = nil
    do {
      arena = try AlignedBuffer(byteCount: max(1, bytes))
    } catch {
      throw .outOfMemory(bytes: bytes)
    }
  }

  // MARK: Inputs

  /// Calls `body` with the memory of input `index` for the current plan. The bytes stay until they are
  /// written again or another plan becomes current. Not for strings.
  public func withInputBytes(_ index: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
    switch plan.inputs[index] {
    case .arena(let offset, let type):
      body(UnsafeMutableRawBufferPointer(start: base + offset, count: type.byteCount))
    case .constant, .dynamic:
      body(UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }
  }

  /// Copies `tensor`, which must have the type of the port and the shape given to `prepare`, into input `index`.
  public func setInput(_ index: Int, _ tensor: Tensor) {
    if case .dynamic(let id) = plan.inputs[index] {
      dynamicValues[Int(id.index)] = .tensor(tensor)
      return
    }
    withInputBytes(index) { destination in
      tensor.withBytes { source in
        precondition(source.count == destination.count, "an input is set with another shape than prepared")
        destination.copyMemory(from: source)
      }
    }
  }

  // MARK: Running

  /// Runs the current plan on the inputs as they are.
  /// - Throws: `.cancelled`, `.invalidOperation` when data do not fit an operator, `.outOfMemory`.
  public func execute() throws(EngineError) {
    let denormals = DenormalFlush()
    defer { denormals.restore() }
    let plan = plan
    if let rows = plan.rows {
      return try rowLanes.run(BatchMemory(plan: plan, rows: rows, base: base), isCancelled, profiler)
    }
    for step in plan.steps {
      if let isCancelled, isCancelled() { throw .cancelled }
      if profiler == nil {
        try run(step, plan)
      } else {
        try profile(step, plan)
      }
    }
    dropIntermediates(plan)
  }

  private var base: UnsafeMutableRawPointer {
    guard let base = arena?.bytes.baseAddress else {
      preconditionFailure("a session is used before `prepare`")
    }
    return base
  }

  private func run(_ step: Step, _ plan: Plan) throws(EngineError) {
    switch step {
    case .kernel(let step):
      do {
        try step.kernel.run(
          plan.operands(of: step), inputCount: step.inputCount, scratch: base + step.scratchOffset,
          team: team,
          requests: requestsPerRun)
      } catch {
        let compiled = program.nodes[step.node]
        throw EngineError(error, node: compiled.label, op: compiled.node.op)
      }
    case .dynamic(let step): try runDynamic(step)
    }
  }

  private func runDynamic(_ step: DynamicStep) throws(EngineError) {
    let compiled = program.nodes[step.node]
    do {
      let inputs = try step.inputs.map { place throws -> RuntimeValue? in
        try place.flatMap { place throws in try value(at: place) }
      }
      let outputs = try compiled.runner.run(
        compiled.node, inputs, isWeight: step.isWeight, team: team, bodies: bodies,
        isCancelled: isCancelled)
      for (id, value) in zip(compiled.node.outputs, outputs) where !id.isNone {
        dynamicValues[Int(id.index)] = value
      }
    } catch {
      throw EngineError(error, node: compiled.label, op: compiled.node.op)
    }
  }

  private func value(at place: Place) throws(TensorError) -> RuntimeValue? {
    switch place {
    case .constant(let tensor): .tensor(tensor)
    case .dynamic(let id): dynamicValues[Int(id.index)]
    case .arena(let offset, let type): .tensor(try copy(offset, type))
    }
  }

  private func copy(_ offset: Int, _ type: OperandType) throws(TensorError) -> Tensor {
    let bytes = UnsafeRawBufferPointer(start: base + offset, count: type.byteCount)
    return try Tensor(type: type.element, shape: type.shape, copying: bytes)
  }

  private func profile(_ step: Step, _ plan: Plan) throws(EngineError) {
    let start = MonotonicClock.nanoseconds
    try run(step, plan)
    let elapsed = MonotonicClock.nanoseconds - start
    let (node, kernel) =
      switch step {
      case .kernel(let step): (step.node, step.kernel.name)
      case .dynamic(let step): (step.node, "dynamic")
      }
    let compiled = program.nodes[node]
    guard let profiler else { return }
    profiler.record(
      node: compiled.label, op: compiled.node.op.description, kernel: kernel,
      work: profiler.work(of: node, plan.shapes, program), nanoseconds: elapsed)
  }

  /// Gives back what dynamic steps left behind, but for inputs and outputs.
  private func dropIntermediates(_ plan: Plan) {
    for case .dynamic(let step) in plan.steps {
      for id in program.nodes[step.node].node.outputs
      where !id.isNone && !program.graph.outputs.contains(id) {
        dynamicValues[Int(id.index)] = nil
      }
    }
  }

  // MARK: Outputs

  /// The shape of output `index`; before the first run of a plan only when it does not depend on data.
  public func outputShape(_ index: Int) -> Shape {
    switch plan.outputs[index] {
    case .arena(_, let type): type.shape
    case .constant(let tensor): tensor.shape
    case .dynamic(let id): dynamicValues[Int(id.index)]?.tensor?.shape ?? .scalar
    }
  }

  /// Calls `body` with the bytes of output `index`, as the last run left them (empty for strings).
  public func withOutputBytes<R>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    switch plan.outputs[index] {
    case .arena(let offset, let type):
      return body(UnsafeRawBufferPointer(start: base + offset, count: type.byteCount))
    case .constant(let tensor): return tensor.withBytes(body)
    case .dynamic(let id):
      if let tensor = dynamicValues[Int(id.index)]?.tensor { return tensor.withBytes(body) }
      return body(UnsafeRawBufferPointer(start: nil, count: 0))
    }
  }

  /// A copy of output `index`, as the last run left it.
  public func output(_ index: Int) -> Tensor {
    switch plan.outputs[index] {
    case .arena(let offset, let type):
      guard let tensor = try? copy(offset, type) else {
        preconditionFailure("out of memory for an output of \(type.byteCount) bytes")
      }
      return tensor
    case .constant(let tensor): return tensor
    case .dynamic(let id):
      guard let tensor = dynamicValues[Int(id.index)]?.tensor else {
        preconditionFailure("an output is asked for before the run")
      }
      return tensor
    }
  }
}
