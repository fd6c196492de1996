import GraphIR
import Tensors

/// Turns the planner's walk into steps with places: shares memory between values, prepares kernels.
struct PlanDraft {
  private(set) var steps: [Step] = []
  private(set) var inputs: [Place] = []
  private(set) var outputs: [Place] = []
  /// The operands of all kernel steps, one after the other.
  private(set) var operands: [Place?] = []
  private(set) var arenaBytes = 0
  /// Nodes whose kernels cannot be chosen without elements that only a run tells.
  private var undecided: Set<Int> = []

  private let planner: Planner
  private let program: Program
  private var sharing: MemorySharing
  private var blocks: [Lifetime] = []
  private var offsets: [Int] = []

  /// Plans a run. A node whose shapes are known but whose kernel needs more becomes a dynamic step.
  /// - Parameter arenaLimit: the most bytes that all values may take together.
  static func make(
    _ program: Program, shapes: [Shape], team: ThreadTeam, arenaLimit: Int
  ) throws(EngineError) -> PlanDraft {
    var dynamicNodes: Set<Int> = []
    while true {
      var planner = Planner(program, shapes: shapes, team: team, dynamicNodes: dynamicNodes)
      try planner.walk()
      let draft = try PlanDraft(planner, arenaLimit: arenaLimit)
      if draft.undecided.isSubset(of: dynamicNodes) { return draft }
      dynamicNodes.formUnion(draft.undecided)
    }
  }

  private init(_ planner: Planner, arenaLimit: Int) throws(EngineError) {
    self.planner = planner
    program = planner.program
    sharing = MemorySharing(planner)
    let prepared = try prepareKernels()
    if !undecided.isEmpty { return }
    try layOut(prepared, arenaLimit)
    for (index, step) in prepared.enumerated() { add(step, scratchBlock: sharing.blockCount + index) }
    inputs = program.graph.inputs.map(place)
    outputs = program.graph.outputs.map(place)
  }

  private mutating func prepareKernels() throws(EngineError) -> [(draft: DraftStep, kernel: Kernel?)] {
    var prepared: [(draft: DraftStep, kernel: Kernel?)] = []
    for step in sharing.steps {
      let compiled = program.nodes[step.node]
      guard !step.isDynamic, case .shaped(let op) = compiled.runner.implementation else {
        prepared.append((step, nil))
        continue
      }
      let node = compiled.node
      let request = PrepareRequest(
        node: node, inputs: step.inputs, outputs: step.outputs, constants: planner.constants(of: node),
        isWeight: node.inputs.map(planner.isWeight), threads: planner.team.threads,
        pixelStrides: sharing.pixels.strides(of: node))
      do {
        prepared.append((step, try op.prepare(request)))
      } catch OperatorFailure.notKnown {
        undecided.insert(step.node)
      } catch {
        throw EngineError(error, node: compiled.label, op: node.op)
      }
    }
    return prepared
  }

  /// Blocks of values first, then one block of scratch memory for each step.
  private mutating func layOut(
    _ prepared: [(draft: DraftStep, kernel: Kernel?)], _ arenaLimit: Int
  ) throws(EngineError) {
    blocks = sharing.blocks
    for (index, step) in prepared.enumerated() {
      let bytes = step.kernel?.scratchBytes(threads: planner.team.threads) ?? 0
      blocks.append(Lifetime(bytes: bytes, first: index, last: index))
    }
    let layout = try ArenaLayout(blocks, limit: arenaLimit)
    offsets = layout.offsets
    arenaBytes = layout.byteCount
  }

  private mutating func add(_ step: (draft: DraftStep, kernel: Kernel?), scratchBlock: Int) {
    let node = program.nodes[step.draft.node].node
    let inputs = node.inputs.map { $0.isNone ? nil : place($0) }
    guard let kernel = step.kernel else {
      steps.append(
        .dynamic(
          DynamicStep(node: step.draft.node, inputs: inputs, isWeight: node.inputs.map(planner.isWeight))))
      return
    }
    steps.append(
      .kernel(
        KernelStep(
          node: step.draft.node, kernel: kernel, firstPointer: operands.count, inputCount: inputs.count,
          scratchOffset: offsets[scratchBlock])))
    operands += inputs.enumerated().map { kernel.unread.contains($0.offset) ? nil : $0.element }
    operands += node.outputs.map { $0.isNone ? nil : place($0) }
  }

  private func place(_ id: ValueID) -> Place {
    switch planner.fact(id) {
    case .known(let tensor): .constant(tensor)
    case .shaped(let type):
      .arena(offset: offsets[sharing.block(of: id)] + sharing.byteOffset(of: id, type.element), type)
    case .unknown, .dynamic: .dynamic(id)
    }
  }
}
