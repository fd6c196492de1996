import GraphIR
import Tensors

/// Gives every value of a graph its type, as the rules tell it with symbolic extents. Unlike the inference of
/// `GraphIR` it knows the engine's own operators.
enum TypePropagation {
  /// - Parameter namesUnknown: whether extents that nobody knows get names of their own, so that values whose extents
  ///   follow from them can be told to have equal ones. Not for graphs that leave the compiler.
  /// - Throws: `EngineError` that names the node.
  static func run(_ graph: inout Graph, namesUnknown: Bool = false) throws(EngineError) {
    if namesUnknown { for id in graph.inputs { graph[id].type = named(graph[id].type, id) } }
    var elements = [[Dimension]?](repeating: nil, count: graph.values.count)
    for node in graph.nodes {
      // A copy of the graph that outlives the call would make each change below copy all values.
      let outer = node.bodies.isEmpty ? nil : graph
      guard let rule = EngineTable.rule(for: node.op) else {
        throw .unsupportedOperator(node: node.label(in: graph), op: node.op.description)
      }
      var context = InferenceContext(
        node: node, inputTypes: node.inputs.map { type(of: $0, graph) },
        constants: node.inputs.map { $0.isNone ? nil : graph.constant($0) },
        elements: node.inputs.map { $0.isNone ? nil : elements[Int($0.index)] },
        captureType: { id in outer.flatMap { type(of: id, $0) } })
      do {
        try rule.infer(&context)
      } catch {
        throw EngineError(graph: error)
      }
      for (index, id) in node.outputs.enumerated() where !id.isNone {
        elements[Int(id.index)] = context.outputElements[index]
        let type = merge(declared: graph[id].type, inferred: context.outputTypes[index])
        graph[id].type = namesUnknown ? named(type, id) : type
      }
    }
  }

  private static func named(_ type: ValueType?, _ id: ValueID) -> ValueType? {
    guard let tensor = type?.tensor, let dimensions = tensor.dimensions else { return type }
    let names = dimensions.enumerated().map { axis, dimension in
      dimension == .unknown ? Dimension.symbol("extent \(axis) of value \(id.index)") : dimension
    }
    return .tensor(TensorType(tensor.element, names))
  }

  private static func type(of id: ValueID, _ graph: Graph) -> ValueType? {
    if id.isNone { return nil }
    if let constant = graph[id].constant { return .tensor(TensorType(constant.type, shape: constant.shape)) }
    return graph[id].type
  }

  /// The declared type where inference says less, extent by extent.
  private static func merge(declared: ValueType?, inferred: ValueType?) -> ValueType? {
    guard let inferred else { return declared }
    guard let own = inferred.tensor, let other = declared?.tensor, own.element == other.element else {
      return inferred
    }
    guard let dimensions = own.dimensions, let hints = other.dimensions, dimensions.count == hints.count
    else {
      return .tensor(TensorType(own.element, own.dimensions ?? other.dimensions))
    }
    return .tensor(TensorType(own.element, zip(dimensions, hints).map { $0 == .unknown ? $1 : $0 }))
  }
}
