import GraphIR
import Tensors

/// Joins operators into the engine's own ones. Each step leaves a graph that computes the same.
enum Fusion {
  /// - Parameter isEnabled: false only keeps what has to be done: quantized weights become float32 ones.
  /// - Returns: how many changes were made.
  @discardableResult
  static func apply(to graph: inout Graph, folder: ConstantFolder, isEnabled: Bool) throws -> Int {
    var changes = 0
    if isEnabled {
      changes += try keepQuantizedTables(&graph)
      changes += try joinEqualDequantization(&graph)
      // Before chains of functions become tables: what is spelled reads its tensor twice.
      changes += try joinSpelledActivations(&graph)
      // Products with int32 biases first; the other ones find float32 constants.
      changes += try joinQuantizedProducts(&graph)
      changes += try dequantizeConstants(&graph, folder) { $0.type == .int32 }
      changes += try joinDynamicQuantization(&graph)
      changes += try joinRowQuantization(&graph)
      changes += try joinQuantizedProducts(&graph)
      changes += try joinQuantizedChains(&graph, folder)
      changes += try joinBlockWeights(&graph)
    }
    changes += try dequantizeConstants(&graph, folder) { _ in true }
    if isEnabled {
      changes += try joinSpelledActivations(&graph)
      changes += try joinLayerNormalizations(&graph)
      changes += try joinAttention(&graph)
      // What is left after the patterns that know a Pow.
      changes += try spellPowers(&graph)
      changes += try joinBiases(&graph)
      changes += try joinNormalizedSums(&graph)
      changes += try joinScaleShifts(&graph)
      changes += try joinActivations(&graph)
      changes += try joinQuantizedResults(&graph)
    }
    return changes
  }

  /// Replaces DequantizeLinear of constants that satisfy `isWanted` by its float result.
  private static func dequantizeConstants(
    _ graph: inout Graph, _ folder: ConstantFolder, _ isWanted: (Tensor) -> Bool
  ) throws -> Int {
    let uses = GraphUses(graph)
    var patch = GraphPatch("dequantize constants", for: graph)
    var changes = 0
    for (index, node) in graph.nodes.enumerated() where node.op == "DequantizeLinear" {
      let inputs = node.inputs.map { uses.constant($0, in: graph) }
      guard let data = inputs[0], isWanted(data),
        zip(node.inputs, inputs).allSatisfy({ $0.isNone || $1 != nil }),
        let result = try folder.evaluate(node, inputs)
      else { continue }
      patch.setConstant(node.outputs[0], result[0])
      patch.remove(index)
      changes += 1
    }
    try patch.apply(to: &graph)
    return changes
  }
}

/// Looks from a node upwards to what it is computed from.
struct FusionView {
  let graph: Graph
  let uses: GraphUses

  init(_ graph: Graph) {
    self.graph = graph
    uses = GraphUses(graph)
  }

  /// A view that can tell whether values have equal shapes where nobody knows their extents.
  static func comparingShapes(_ graph: Graph) throws -> FusionView {
    var named = graph
    try TypePropagation.run(&named, namesUnknown: true)
    return FusionView(named)
  }

  /// The node that gives `id`, when it is one of `ops`.
  func writer(_ id: ValueID, _ ops: OperatorName...) -> (index: Int, node: Node)? {
    guard let index = uses.writer(of: id), ops.contains(graph.nodes[index].op) else { return nil }
    return (index, graph.nodes[index])
  }

  /// The same when nobody else reads `id`, so that the node may be joined with its reader.
  func soleWriter(_ id: ValueID, _ ops: OperatorName...) -> (index: Int, node: Node)? {
    guard uses.readCount(of: id) == 1, !uses.isOutput(id), let index = uses.writer(of: id),
      ops.contains(graph.nodes[index].op)
    else { return nil }
    return (index, graph.nodes[index])
  }

  func constant(_ id: ValueID) -> Tensor? { uses.constant(id, in: graph) }

  func type(_ id: ValueID) -> TensorType? {
    id.isNone ? nil : constant(id).map { TensorType($0.type, shape: $0.shape) } ?? graph[id].type?.tensor
  }

  func element(_ id: ValueID) -> ElementType? { type(id)?.element }

  /// The only element of a float32 constant.
  func scalar(_ id: ValueID) -> Float? {
    guard let tensor = constant(id), tensor.type == .float32, tensor.elementCount == 1 else { return nil }
    return tensor.array(of: Float.self)[0]
  }
}
