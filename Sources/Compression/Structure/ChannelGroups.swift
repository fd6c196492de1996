import GraphIR
import Tensors

/// Channels that can be removed one by one, all by the same axes of the same weights.
struct ChannelGroup: Sendable {
  /// An axis of an initializer, with the positions that each channel takes there.
  struct Place: Sendable {
    var value: ValueID
    var axis: Int
    var positions: [[Int]]
  }

  /// A node that gives the channels (`place` is its weight's output axis) or reads them (the input axis).
  struct Reader: Sendable {
    var node: Int
    var place: Int
  }

  /// The label of the first node that gives the channels.
  var name: String
  var count: Int
  var places: [Place]
  var producers: [Reader]
  var consumers: [Reader]
  fileprivate(set) var roots: [Int]
}

/// All channels of a graph that can be removed without changing its inputs and outputs.
///
/// Channels that must go together (residual sums, both sides of a depthwise convolution, the queries, keys and values
/// of an attention head) are one channel. What reaches an output, a normalization over channels or an operator without
/// a rule is in no group.
struct ChannelGroups: Sendable {
  /// In the order of their producers.
  let groups: [ChannelGroup]
  /// Why channels that reach some nodes stay, by node.
  let reasons: [Int: String]
  private let slices: [(axis: ChannelVariables.Axis, roots: [Int])]
  private let extents: [(extent: ChannelVariables.Extent, roots: [Int])]
  private let depthwise: [(node: Int, roots: [Int])]

  /// Types are inferred on the newest form of `model`; where that fails, those that the file declares count.
  init(_ model: Model) {
    var newest = (try? model.raised()) ?? model
    try? newest.graph.inferTypes()
    var types: [String: TensorType] = [:]
    for value in newest.graph.values { types[value.name] = value.type?.tensor }
    self.init(model.graph, types: types)
  }

  /// - Parameter types: of values by name.
  init(_ graph: Graph, types: [String: TensorType]) {
    let rules = ChannelRules(graph, types: types)
    var variables = rules.variables
    reasons = rules.reasons
    let ordered = variables.slices.sorted {
      ($0.key.value.index, $0.key.axis) < ($1.key.value.index, $1.key.axis)
    }
    slices = ordered.map { slice in (slice.key, slice.value.map { variables.atoms.root($0) }) }
    extents = variables.extents.map { extent in (extent, extent.atoms.map { variables.atoms.root($0) }) }
    depthwise = variables.depthwise.map { entry in (entry.node, entry.atoms.map { variables.atoms.root($0) })
    }
    groups = Self.groups(of: slices, graph, &variables)
  }

  /// Classes of positions that lie on the same axes, as often on each, are channels of one group.
  private static func groups(
    of slices: [(axis: ChannelVariables.Axis, roots: [Int])], _ graph: Graph,
    _ variables: inout ChannelVariables
  ) -> [ChannelGroup] {
    var positions: [Int: [(slice: Int, positions: [Int])]] = [:]
    for (number, slice) in slices.enumerated() {
      for (position, root) in slice.roots.enumerated() where !variables.atoms.isFixed(root) {
        if let last = positions[root]?.indices.last, positions[root]?[last].slice == number {
          positions[root]?[last].positions.append(position)
        } else {
          positions[root, default: []].append((number, [position]))
        }
      }
    }
    var members: [[Int]: [Int]] = [:]
    for (root, places) in positions {
      members[places.flatMap { [$0.slice, $0.positions.count] }, default: []].append(root)
    }
    var groups: [ChannelGroup] = []
    for (_, unordered) in members {
      let roots = unordered.sorted()
      let used = (positions[roots[0]] ?? []).map(\.slice)
      let places = used.indices.map { place in
        ChannelGroup.Place(
          value: slices[used[place]].axis.value, axis: slices[used[place]].axis.axis,
          positions: roots.map { positions[$0]?[place].positions ?? [] })
      }
      func readers(_ isConsumer: Bool) -> [ChannelGroup.Reader] {
        variables.roles.compactMap { role in
          guard role.isConsumer == isConsumer,
            let place = places.firstIndex(where: { $0.value == role.weight && $0.axis == role.axis })
          else { return nil }
          return .init(node: role.node, place: place)
        }
      }
      let (producers, consumers) = (readers(false), readers(true))
      // Without a product on both sides there is nothing to gain, or nothing that could make up for the loss.
      guard let first = producers.first, !consumers.isEmpty else { continue }
      groups.append(
        ChannelGroup(
          name: graph.nodes[first.node].label(in: graph), count: roots.count, places: places,
          producers: producers, consumers: consumers, roots: roots))
    }
    return groups.sorted { $0.roots[0] < $1.roots[0] }
  }

  /// `model` without the channels of group `group` that are not in `kept`.
  ///
  /// Weights, biases and other constants along the channels lose them, shapes that count them are rewritten and
  /// declared types of what lies between are dropped. Groups must be made anew from the result.
  /// - Parameter kept: at least one channel.
  /// - Throws: `CompressionError.model` for a constant of elements smaller than a byte.
  func slicing(_ group: Int, keeping kept: [Int], in model: Model) throws(CompressionError) -> Model {
    precondition(!kept.isEmpty)
    let kept = Set(kept)
    let roots = groups[group].roots
    let removed = Set(roots.indices.filter { !kept.contains($0) }.map { roots[$0] })
    if removed.isEmpty { return model }
    var result = model
    for index in result.graph.values.indices where result.graph.values[index].constant == nil {
      let id = ValueID(index)
      if !result.graph.inputs.contains(id) && !result.graph.outputs.contains(id) {
        result.graph[id].type = nil
      }
    }
    for slice in slices {
      let stay = slice.roots.indices.filter { !removed.contains(slice.roots[$0]) }
      guard stay.count < slice.roots.count, let constant = result.graph[slice.axis.value].constant else {
        continue
      }
      let sliced = try ChannelSlicing.keep(stay, axis: slice.axis.axis, of: constant)
      result.graph[slice.axis.value].constant = sliced
      result.graph[slice.axis.value].sparseConstant = nil
      result.graph[slice.axis.value].type = .tensor(TensorType(sliced.type, shape: sliced.shape))
    }
    for entry in depthwise {
      let count = entry.roots.filter { !removed.contains($0) }.count
      if count < entry.roots.count { result.graph.nodes[entry.node].attributes["group"] = .int(count) }
    }
    for entry in extents {
      let count = entry.roots.filter { !removed.contains($0) }.count
      if count == entry.roots.count { continue }
      let (node, input) = (entry.extent.node, entry.extent.input)
      let old = result.graph.nodes[node].inputs[input]
      guard let constant = result.graph[old].constant else { continue }
      var sizes = constant.array(of: Int64.self)
      sizes[entry.extent.element] = Int64(count)
      // Other nodes may read the same constant for other channels.
      guard let tensor = try? Tensor(shape: constant.shape, sizes) else { continue }
      let name = ChannelSlicing.freshName(result.graph[old].name, in: result.graph)
      result.graph.nodes[node].inputs[input] = result.graph.addValue(Value(name: name, constant: tensor))
    }
    return result
  }
}
