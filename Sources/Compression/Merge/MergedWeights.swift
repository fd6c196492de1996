import GraphIR
import Tensors

/// The constants of a model moved towards those of another with the same graph.
struct MergedWeights {
  private var changed: [(place: Place, tensor: Tensor)] = []

  /// - Parameters:
  ///   - kept: constants that stay as they are.
  ///   - chosen: the only constants that are meant; nil for all.
  /// - Throws: `CompressionError.model` for the first difference between the graphs, or between types and shapes.
  init(
    _ base: Model, _ other: Model, alpha: Double, except kept: Set<Place>, only chosen: Set<Place>?
  ) throws(CompressionError) {
    let (ours, theirs) = (base.graphs, other.graphs)
    for (left, right) in zip(ours, theirs) { try Self.compare(left.graph, right.graph) }
    let (left, right) = (Self.constants(of: ours), Self.constants(of: theirs))
    let counterparts = try ParameterMatching.match(left.map(\.parameter), right.map(\.parameter))
    for (constant, counterpart) in zip(left, counterparts) {
      if kept.contains(constant.place) || chosen?.contains(constant.place) == false { continue }
      let tensor = try TensorMerging.merge(
        constant.tensor, right[counterpart].tensor, alpha: alpha, name: constant.parameter.name)
      changed.append((constant.place, tensor))
    }
  }

  func apply(to model: inout Model) {
    for (place, tensor) in changed {
      model[graph: place.path][place.value].constant = tensor
      model[graph: place.path][place.value].sparseConstant = nil
    }
  }

  private struct Constant {
    var place: Place
    var parameter: ParameterMatching.Parameter
    var tensor: Tensor
  }

  /// Weights of another net would be merged without an error whenever their shapes happen to agree.
  private static func compare(_ left: Graph, _ right: Graph) throws(CompressionError) {
    for (ours, theirs) in zip(left.nodes, right.nodes) where ours.op != theirs.op {
      throw .model(
        "the graphs differ: node '\(left.label(of: ours))' is \(ours.op) in one, "
          + "'\(right.label(of: theirs))' \(theirs.op) in the other")
    }
    if left.nodes.count != right.nodes.count {
      throw .model("the graphs differ: one has \(left.nodes.count) nodes, the other \(right.nodes.count)")
    }
  }

  /// All constants that nodes read, in the order of the readers.
  private static func constants(of graphs: [(path: GraphPath, graph: Graph)]) -> [Constant] {
    var result: [Constant] = []
    for (path, graph) in graphs {
      var seen: Set<ValueID> = []
      for node in graph.nodes {
        for input in node.inputs {
          guard let tensor = graph.constant(input), seen.insert(input).inserted else { continue }
          result.append(
            Constant(
              place: Place(path: path, value: input),
              parameter: .init(name: graph[input].name, type: tensor.type, shape: tensor.shape),
              tensor: tensor))
        }
      }
    }
    return result
  }
}
