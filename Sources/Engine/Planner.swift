import GraphIR
import Tensors

/// What is known about a value while a run with certain input shapes is planned.
enum ValueFact {
  case unknown
  /// The elements are known before the run.
  case known(Tensor)
  /// Type and shape are known.
  case shaped(OperandType)
  /// Nothing is known before the run.
  case dynamic
}

/// A node that has to run, with what its operands are.
struct DraftStep {
  let node: Int
  let inputs: [OperandType?]
  let outputs: [OperandType?]
  let isDynamic: Bool
}

/// Walks a program's nodes with concrete input shapes: computes what can be computed before the run, finds
/// the shapes of all other values, and tells which nodes have to run.
struct Planner {
  /// Results that are known before the run are kept with the plan up to this size; larger ones are
  /// computed again in each run.
  static let knownBytesLimit = 1 << 20

  let program: Program
  let team: ThreadTeam
  private(set) var facts: [ValueFact]
  private(set) var steps: [DraftStep] = []
  private let isWeight: [Bool]
  private let dynamicNodes: Set<Int>

  /// - Parameter dynamicNodes: nodes that run on values of their own although their outputs' shapes are known.
  init(_ program: Program, shapes: [Shape], team: ThreadTeam, dynamicNodes: Set<Int> = []) {
    self.program = program
    self.team = team
    self.dynamicNodes = dynamicNodes
    let graph = program.graph
    var isWeight = [Bool](repeating: false, count: graph.values.count)
    facts = graph.values.indices.map { index in
      guard let constant = graph.values[index].constant else { return .unknown }
      isWeight[index] = true
      return .known(constant)
    }
    self.isWeight = isWeight
    for (index, id) in graph.inputs.enumerated() {
      facts[Int(id.index)] = Self.inputFact(graph[id].type, shapes[index])
    }
  }

  private static func inputFact(_ type: ValueType?, _ shape: Shape) -> ValueFact {
    guard case .tensor(let tensor)? = type, tensor.element != .string else { return .dynamic }
    return .shaped(OperandType(element: tensor.element, shape: shape))
  }

  func fact(_ id: ValueID) -> ValueFact { id.isNone ? .unknown : facts[Int(id.index)] }

  func isWeight(_ id: ValueID) -> Bool { !id.isNone && isWeight[Int(id.index)] }

  /// The elements of each input of `node` that are known before the run.
  func constants(of node: Node) -> [Tensor?] {
    node.inputs.map { if case .known(let tensor) = fact($0) { tensor } else { nil } }
  }

  mutating func walk() throws(EngineError) {
    for index in program.nodes.indices {
      let compiled = program.nodes[index]
      do {
        try place(index, compiled)
      } catch {
        throw EngineError(error, node: compiled.label, op: compiled.node.op)
      }
    }
    dropUnused()
  }

  private mutating func place(_ index: Int, _ compiled: CompiledNode) throws {
    let node = compiled.node
    let constants = constants(of: node)
    if let outputs = try knownOutputs(compiled, constants) {
      for (id, value) in zip(node.outputs, outputs) where !id.isNone {
        guard let tensor = value?.tensor else { throw OperatorFailure.invalid("an output is missing") }
        facts[Int(id.index)] = .known(tensor)
      }
      return
    }
    let inputs = node.inputs.map { operandType($0) }
    let outputs = dynamicNodes.contains(index) ? nil : try staticOutputs(compiled, constants)
    for (position, id) in node.outputs.enumerated() where !id.isNone {
      facts[Int(id.index)] = outputs.flatMap { $0[position] }.map(ValueFact.shaped) ?? .dynamic
    }
    steps.append(
      DraftStep(
        node: index, inputs: inputs, outputs: outputs ?? node.outputs.map { _ in nil },
        isDynamic: outputs == nil))
  }

  private func operandType(_ id: ValueID) -> OperandType? {
    switch fact(id) {
    case .known(let tensor): OperandType(element: tensor.type, shape: tensor.shape)
    case .shaped(let type): type
    case .unknown, .dynamic: nil
    }
  }

  /// The outputs when they follow from what is known already.
  private func knownOutputs(_ compiled: CompiledNode, _ constants: [Tensor?]) throws -> [RuntimeValue?]? {
    let node = compiled.node
    // A sub-graph may hold what is not deterministic, or run for long.
    guard compiled.runner.rule.isDeterministic, node.bodies.isEmpty else { return nil }
    if case .shaped(let op) = compiled.runner.implementation,
      !node.inputs.contains(where: { if case .dynamic = fact($0) { true } else { false } }),
      let outputs = try op.outputsFromTypes(node.inputs.map(operandType))
    {
      return outputs.map { RuntimeValue.tensor($0) }
    }
    for (id, constant) in zip(node.inputs, constants) where !id.isNone && constant == nil { return nil }
    if case .dynamic = compiled.runner.implementation, !producesTensors(node) { return nil }
    if let types = try staticOutputs(compiled, constants),
      types.contains(where: { ($0?.byteCount ?? 0) > Planner.knownBytesLimit })
    {
      return nil
    }
    return try compiled.runner.run(
      node, constants.map { $0.map(RuntimeValue.tensor) }, isWeight: node.inputs.map(isWeight), team: team)
  }

  private func producesTensors(_ node: Node) -> Bool {
    node.outputs.allSatisfy { $0.isNone || program.graph[$0].type?.tensor != nil }
  }

  /// The types of the outputs when all are tensors of known shape that can lie in the arena.
  private func staticOutputs(_ compiled: CompiledNode, _ constants: [Tensor?]) throws -> [OperandType?]? {
    guard case .shaped = compiled.runner.implementation else { return nil }
    let node = compiled.node
    var types: [ValueType?] = []
    for id in node.inputs {
      if case .dynamic = fact(id) { return nil }
      types.append(operandType(id).map { .tensor(TensorType($0.element, shape: $0.shape)) })
    }
    if types.contains(where: { $0?.tensor?.element == .string }) { return nil }
    var context = InferenceContext(node: node, inputTypes: types, constants: constants)
    try compiled.runner.rule.infer(&context)
    var outputs: [OperandType?] = []
    for (id, type) in zip(node.outputs, context.outputTypes) {
      if id.isNone {
        outputs.append(nil)
        continue
      }
      guard let tensor = type?.tensor, let shape = tensor.shape, tensor.element != .string else { return nil }
      let operand = OperandType(element: tensor.element, shape: shape)
      if operand.byteCount > program.options.tensorLimit {
        throw EngineError.memoryLimit(bytes: operand.byteCount, limit: program.options.tensorLimit)
      }
      outputs.append(operand)
    }
    return outputs
  }

  /// Removes steps whose results nobody reads, such as those that only a `Shape` was asked of.
  private mutating func dropUnused() {
    var isRead = [Bool](repeating: false, count: facts.count)
    for id in program.graph.outputs { isRead[Int(id.index)] = true }
    var kept: [DraftStep] = []
    for step in steps.reversed() {
      let node = program.nodes[step.node].node
      guard node.outputs.contains(where: { !$0.isNone && isRead[Int($0.index)] }) else { continue }
      kept.append(step)
      for id in node.inputs where !id.isNone { isRead[Int(id.index)] = true }
    }
    steps = kept.reversed()
  }
}
