import Tensors

/// Finds out whether the rows of a batch are computed independently of each other, so that rows of several requests
/// may be run together: the answer to each is then what it is alone.
///
/// Every value gets a `RowState`, node by node. An operator without a rule, or a use of rows that its rule does not
/// know to be safe, counts as mixing them.
public struct RowAnalysis: Sendable {
  /// Vectors of sizes are followed up to this length, as type inference does.
  static let longestVector = 64

  let rules: [OperatorName: RowRule]
  let batch: Dimension
  /// Tells names that are made up in one graph from those of its sub-graphs.
  var scope = ""

  /// Why rows along the leading axis of `graph`'s inputs may not be run together; nil when they may.
  /// - Parameters:
  ///   - graph: in the newest form of its operators, types inferred.
  ///   - additional: rules for operators that are not ONNX's.
  public static func reasonAgainstBatching(
    _ graph: Graph, additional: [OperatorName: RowRule] = [:]
  ) -> String? {
    do {
      let batch = try batchDimension(of: graph)
      let analysis = RowAnalysis(rules: RowRules.all.merging(additional) { $1 }, batch: batch)
      let inputs = graph.requiredInputs.map { ($0, RowState.rows(axis: 0, width: .one)) }
      let states = try analysis.walk(graph, Dictionary(uniqueKeysWithValues: inputs))
      for output in graph.outputs where states[Int(output.index)] != .rows(axis: 0, width: .one) {
        throw RowMixing("output '\(graph[output].name)' does not have one row for each row of the inputs")
      }
      return nil
    } catch let mixing as RowMixing {
      return mixing.reason
    } catch {
      return "\(error)"
    }
  }

  /// The one leading extent that all inputs have.
  private static func batchDimension(of graph: Graph) throws -> Dimension {
    var batch = Dimension.unknown
    var named = ""
    if graph.requiredInputs.isEmpty { throw RowMixing("the model has no inputs") }
    for id in graph.requiredInputs {
      let name = graph[id].name
      guard case .tensor(let type)? = graph[id].type, let dimensions = type.dimensions else {
        throw RowMixing("input '\(name)' is no tensor of known rank")
      }
      guard let first = dimensions.first else { throw RowMixing("input '\(name)' has no axis for a batch") }
      if let extent = first.extent {
        throw RowMixing("the first extent of input '\(name)' is always \(extent)")
      }
      guard case .symbol = first else { continue }
      if batch != .unknown, batch != first {
        throw RowMixing(
          "the first extents of inputs '\(named)' and '\(name)' have different names, \(batch) and \(first)")
      }
      (batch, named) = (first, name)
    }
    return batch
  }

  // MARK: Walking

  /// The states of all values, from those of the inputs and captures.
  func walk(_ graph: Graph, _ given: [ValueID: RowState]) throws -> [RowState] {
    var states = [RowState](repeating: .shared, count: graph.values.count)
    for (id, state) in given {
      states[Int(id.index)] = state
      try check(state, graph[id])
    }
    for node in graph.nodes {
      do {
        for (id, state) in zip(node.outputs, try outputs(of: node, graph, states)) where !id.isNone {
          states[Int(id.index)] = state
          try check(state, graph[id])
        }
      } catch let mixing as RowMixing {
        throw RowMixing("node '\(graph.label(of: node))' (\(node.op)): \(mixing.reason)")
      }
    }
    return states
  }

  private func outputs(of node: Node, _ graph: Graph, _ states: [RowState]) throws -> [RowState] {
    if OperatorTable.rule(for: node.op)?.isDeterministic == false {
      throw RowMixing("its results are random")
    }
    var context = RowContext(
      node: node, graph: graph, states: node.inputs.map { $0.isNone ? .shared : states[Int($0.index)] },
      outputs: node.outputs.map { _ in .shared }, analysis: self)
    let captured = node.bodies.flatMap { $0.captures.map { states[Int($0.outer.index)] } }
    if context.states.allSatisfy(\.isShared), captured.allSatisfy(\.isShared) {
      // Only sizes are worth following; a rule that cannot tell them leaves the outputs as they are.
      if RowRules.sizes.contains(node.op) { try? rules[node.op]?(&context) }
      return context.outputs
    }
    guard let rule = rules[node.op] else {
      throw RowMixing("it is not known to compute each row by itself")
    }
    if !node.bodies.isEmpty { context.captured = { states[Int($0.index)] } }
    try rule(&context)
    return context.outputs
  }

  /// For the sub-graphs of `node`.
  func inner(of node: Node) -> RowAnalysis {
    var inner = self
    inner.scope += "\(node.outputs.first?.index ?? 0)/"
    return inner
  }

  /// The declared extents may not speak against the state.
  private func check(_ state: RowState, _ value: Value) throws {
    guard let dimensions = value.type?.tensor?.dimensions else {
      if state.place != nil { throw RowMixing("the rank of '\(value.name)' is not known") }
      return
    }
    let axis = state.place?.axis ?? -1
    if axis >= dimensions.count { throw RowMixing("'\(value.name)' has no axis \(axis)") }
    for (index, dimension) in dimensions.enumerated() {
      if index == axis, dimension.extent != nil {
        throw RowMixing("axis \(axis) of '\(value.name)' is always \(dimension)")
      }
      if index != axis, case .symbol = dimension, dimension == batch {
        throw RowMixing("axis \(index) of '\(value.name)' is as long as the batch")
      }
    }
  }

  func extents(of id: ValueID, _ dimensions: [Dimension], _ state: RowState) throws -> [Extent] {
    var extents: [Extent] = []
    for (axis, dimension) in dimensions.enumerated() {
      if let place = state.place, place.axis == axis {
        guard let extent = place.width.times(.batch) else { throw RowMixing("its extents overflow") }
        extents.append(extent)
        continue
      }
      switch dimension {
      case .known(let extent): extents.append(Extent(extent))
      case .symbol(let name): extents.append(Extent(factors: [name]))
      case .unknown: extents.append(Extent(factors: ["\(scope)\(id.index).\(axis)"]))
      }
    }
    return extents
  }
}
