import GraphIR
import Tensors

/// What is known about the axes of a graph's values while it is walked: which positions of which axis stand for
/// channels that could be removed.
///
/// Channels begin at the output axis of a weight and are followed from node to node. An axis that nothing is known
/// about is nil; what meets it cannot be removed.
struct ChannelVariables {
  struct Axis: Hashable {
    var value: ValueID
    var axis: Int
  }

  /// An element of a constant that says how many channels there are: of a shape, or of sizes.
  struct Extent {
    var node: Int
    /// Place of the constant among the node's inputs.
    var input: Int
    var element: Int
    var atoms: [Int]
  }

  /// A weight that is multiplied along channels (`isConsumer`), or that gives them.
  struct Role: Hashable {
    var node: Int
    var weight: ValueID
    var axis: Int
    var isConsumer: Bool
  }

  let graph: Graph
  let index: GraphIndex
  /// Extents of every value as far as they are known; nil: not even the rank is.
  let dimensions: [[Int?]?]
  var atoms = ChannelAtoms()
  /// The atoms of each axis of each value, inputs and results of nodes.
  private(set) var axes: [Axis: [Int]] = [:]
  /// Axes of initializers that are sliced with their channels.
  private(set) var slices: [Axis: [Int]] = [:]
  private(set) var extents: [Extent] = []
  private(set) var roles: [Role] = []
  /// Nodes whose attribute `group` is the number of channels.
  private(set) var depthwise: [(node: Int, atoms: [Int])] = []
  /// Initializers that some node reads in a way that no rule follows.
  private var pinned: Set<ValueID> = []

  /// - Parameter types: of values by name, from inference on the newest form of the model.
  init(_ graph: Graph, types: [String: TensorType]) {
    self.graph = graph
    index = GraphIndex(graph)
    dimensions = graph.values.map { value in
      if let constant = value.constant { return constant.shape.dimensions }
      return (types[value.name] ?? value.type?.tensor)?.dimensions?.map(\.extent)
    }
  }

  func rank(_ value: ValueID) -> Int? { value.isNone ? nil : dimensions[Int(value.index)]?.count }

  func extent(_ value: ValueID, _ axis: Int) -> Int? {
    guard let known = dimensions[Int(value.index)], known.indices.contains(axis) else { return nil }
    return known[axis]
  }

  /// The positions of an axis: of an activation what is known, of an initializer always its own.
  mutating func positions(_ value: ValueID, _ axis: Int) -> [Int]? {
    if value.isNone { return nil }
    let key = Axis(value: value, axis: axis)
    guard let constant = graph.constant(value) else { return axes[key] }
    if let known = slices[key] { return known }
    guard constant.shape.dimensions.indices.contains(axis) else { return nil }
    let fresh = atoms.fresh(constant.shape[axis])
    slices[key] = fresh
    return fresh
  }

  mutating func set(_ value: ValueID, _ axis: Int, _ positions: [Int]?) {
    guard let positions, !value.isNone, axis >= 0 else { return }
    if let known = extent(value, axis), known != positions.count {
      atoms.fix(positions)
      return
    }
    axes[Axis(value: value, axis: axis)] = positions
  }

  /// Ties an axis of an initializer to positions. Nothing known about these: the axis may not change.
  mutating func tie(_ initializer: ValueID, _ axis: Int, to positions: [Int]?) {
    if positions == nil && slices[Axis(value: initializer, axis: axis)] == nil {
      pin(initializer, axis)
      return
    }
    let own = self.positions(initializer, axis)
    atoms.unite(own, positions)
  }

  private mutating func pin(_ initializer: ValueID, _ axis: Int) {
    let own = positions(initializer, axis)
    atoms.fix(own)
  }

  /// No channel of `value` may be removed: of all axes, or of all but some.
  mutating func fix(_ value: ValueID, except kept: Set<Int> = []) {
    if value.isNone { return }
    if graph.constant(value) != nil {
      if kept.isEmpty { pinned.insert(value) }
      return
    }
    guard let rank = rank(value) else {
      for (key, positions) in axes where key.value == value { atoms.fix(positions) }
      return
    }
    for axis in 0..<rank where !kept.contains(axis) { atoms.fix(axes[Axis(value: value, axis: axis)]) }
  }

  mutating func addExtent(_ extent: Extent) { extents.append(extent) }
  mutating func addRole(_ role: Role) { roles.append(role) }
  mutating func addDepthwise(_ node: Int, _ positions: [Int]) { depthwise.append((node, positions)) }

  /// Fixes what must not change whatever rules said: outputs, captured values, and initializers with other readers.
  mutating func finish() {
    for output in graph.outputs { fix(output) }
    for node in graph.nodes {
      for body in node.bodies {
        for capture in body.captures { fix(capture.outer) }
      }
    }
    for output in graph.outputs where graph.constant(output) != nil { pinned.insert(output) }
    for (key, positions) in slices where pinned.contains(key.value) { atoms.fix(positions) }
  }
}
