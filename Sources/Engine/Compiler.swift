import GraphIR
import Tensors

extension Program {
  /// Makes a model ready to run: brings it to the newest operator set, folds constants, joins operators, and
  /// decodes every node.
  ///
  /// Inputs that have a default are constants from here on: their default cannot be overridden.
  /// - Throws: `.invalidModel` for a graph that contradicts itself; `.unsupportedOperator`, `.unsupportedType`
  ///   or `.unsupported` for a node that the engine has no kernel for.
  public static func compile(_ model: Model, options: CompileOptions = .init()) throws(EngineError) -> Program
  {
    var model = model
    let defaulted = model.graph.inputs.filter { model.graph[$0].constant != nil }
    model.graph.inputs.removeAll(where: defaulted.contains)
    try BodyCheck.depth(of: model.graph, limit: options.bodyDepthLimit)
    var labels: [String: PortLabels] = [:]
    do {
      if options.mapsAsTensors { labels = try MapOutputs.replace(in: &model.graph) }
      try simplify(&model, options)
    } catch {
      throw EngineError(graph: error)
    }
    let batching = Batching(model.graph)
    do {
      try chooseLayout(&model.graph, options)
    } catch {
      throw EngineError(graph: error)
    }
    CaptureLowering.apply(to: &model.graph)
    let nodes = try decode(model.graph, options)
    return try Program(
      graph: model.graph, nodes: nodes, options: options, batching: batching, labels: labels)
  }

  /// Compiles the sub-graph of a node, which has been through the passes with its model. What it captures becomes
  /// inputs, after its own.
  static func compile(body: Graph, options: CompileOptions) throws -> Program {
    var graph = body
    // Every input is given in every turn.
    for input in graph.inputs { graph[input].constant = nil }
    graph.inputs += graph.captures.map(\.inner)
    graph.captures = []
    let folder = ConstantFolder(options: options)
    try TypePropagation.run(&graph)
    try Fusion.apply(to: &graph, folder: folder, isEnabled: options.fuse)
    try TypePropagation.run(&graph)
    try chooseLayout(&graph, options)
    CaptureLowering.apply(to: &graph)
    return try Program(graph: graph, nodes: decode(graph, options), options: options, batching: nil)
  }

  private static func simplify(_ model: inout Model, _ options: CompileOptions) throws {
    try model.inlineFunctions()
    model = try model.raised()
    try model.inlineFunctions()
    BodyCheck.forgetStateShapes(&model.graph)
    try model.graph.verifyStructure()
    let folder = ConstantFolder(options: options)
    _ = try Passes.takeKnownBranches(&model, evaluate: folder.evaluate)
    try model.lowerContribOperators()
    try model.graph.verify()
    try model.graph.inferTypes()
    _ = try Passes.expandFlexAttention(&model)
    _ = try Passes.expandGradients(&model)
    try Passes.simplify(&model, evaluate: folder.evaluate)
    try TypePropagation.run(&model.graph)
    try Fusion.apply(to: &model.graph, folder: folder, isEnabled: options.fuse)
    try TypePropagation.run(&model.graph)
    if options.dynamicQuantization == .perRequest { Batching.separateQuantization(&model.graph) }
  }

  /// Convolutions take images with their channels last, and what stands between them follows.
  private static func chooseLayout(_ graph: inout Graph, _ options: CompileOptions) throws {
    guard options.fuse else { return }
    let folder = ConstantFolder(options: options)
    guard try LayoutPass.apply(to: &graph, folder: folder) > 0 else { return }
    try TypePropagation.run(&graph)
    try Fusion.joinShuffles(&graph)
    try Fusion.joinResiduals(&graph)
    try Fusion.joinQuantizedPools(&graph)
    try TypePropagation.run(&graph)
  }

  private static func decode(_ graph: Graph, _ options: CompileOptions) throws(EngineError) -> [CompiledNode]
  {
    var nodes: [CompiledNode] = []
    nodes.reserveCapacity(graph.nodes.count)
    for node in graph.nodes {
      let label = node.label(in: graph)
      do {
        let source = OperatorSource(
          node: node, inputs: node.inputs.map { $0.isNone ? nil : graph[$0].type },
          outputs: node.outputs.map { $0.isNone ? nil : graph[$0].type }, options: options)
        let runner = try NodeRunner(source, options)
        nodes.append(CompiledNode(node: node, label: label, runner: runner))
      } catch {
        throw EngineError(error, node: label, op: node.op)
      }
    }
    return nodes
  }
}

extension NodeRunner {
  /// Decodes one node.
  /// - Throws: `EngineError.unsupportedOperator`, `OperatorFailure`, `GraphError`.
  init(_ source: OperatorSource, _ options: CompileOptions) throws {
    let op = source.node.op
    guard let rule = EngineTable.rule(for: op), let entry = EngineTable.entry(for: op) else {
      throw EngineError.unsupportedOperator(node: source.node.name, op: op.description)
    }
    let implementation =
      try StringForms.implementation(source, options) ?? entry.implementation(source)
    self.init(rule: rule, implementation: implementation, memoryLimit: options.tensorLimit)
  }
}

/// Computes nodes whose inputs are all constant, for the passes over the graph.
struct ConstantFolder {
  let options: CompileOptions
  private let team = ThreadTeam(threads: 1)

  init(options: CompileOptions) { self.options = options }

  /// - Returns: one tensor for each output; nil when the engine cannot compute the node before a run.
  func evaluate(_ node: Node, _ inputs: [Tensor?]) throws -> [Tensor]? {
    var context = InferenceContext(
      node: node, inputTypes: inputs.map { $0.map { .tensor(TensorType($0.type, shape: $0.shape)) } },
      constants: inputs)
    guard let rule = EngineTable.rule(for: node.op), rule.isDeterministic else { return nil }
    try rule.infer(&context)
    let source = OperatorSource(
      node: node, inputs: inputs.map { $0.map { .tensor(TensorType($0.type, shape: $0.shape)) } },
      outputs: context.outputTypes)
    // A node that the engine cannot compute stays; compiling reports it if it is still there then.
    guard let runner = try? NodeRunner(source, options) else { return nil }
    let outputs = try runner.run(
      node, inputs.map { $0.map(RuntimeValue.tensor) }, isWeight: inputs.map { _ in false }, team: team)
    var tensors: [Tensor] = []
    for output in outputs {
      guard let tensor = output?.tensor else { return nil }
      tensors.append(tensor)
    }
    return tensors
  }
}

extension EngineError {
  /// A model that the graph's own rules refuse.
  init(graph error: any Error) {
    switch error {
    case GraphError.unknownOperator(let name, let op): self = .unsupportedOperator(node: name, op: op)
    case let error as GraphError: self = .invalidModel(error.description)
    case let error as EngineError: self = error
    default: self = .invalidModel(String(describing: error))
    }
  }
}
