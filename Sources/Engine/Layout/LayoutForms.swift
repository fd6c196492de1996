import GraphIR
import Tensors

/// The orders of axes in which each value of a graph is at hand while its layout is chosen. A form that is asked for
/// and not there is made by a Transpose, once for all its readers.
struct LayoutForms {
  private struct Form {
    let order: AxisOrder
    let id: ValueID
  }

  let view: FusionView
  /// The nodes that read each value.
  let readers: [[Int]]
  private(set) var patch: GraphPatch
  private let folder: ConstantFolder
  /// Of values that are not just there as they were.
  private var forms: [ValueID: [Form]] = [:]

  init(_ graph: Graph, folder: ConstantFolder) {
    view = FusionView(graph)
    patch = GraphPatch("choose layout", for: graph)
    self.folder = folder
    var readers = [[Int]](repeating: [], count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs where !input.isNone { readers[Int(input.index)].append(index) }
    }
    self.readers = readers
  }

  func readers(of id: ValueID) -> [Int] { id.isNone ? [] : readers[Int(id.index)] }

  func rank(_ id: ValueID) -> Int? { view.type(id)?.dimensions?.count }

  /// True when `id` lies in `order`, and not in its own.
  func lives(_ id: ValueID, in order: AxisOrder) -> Bool {
    guard let own = forms[id] else { return false }
    return own.contains { $0.order == order } && !own.contains { $0.order.isNatural }
  }

  /// True when `id` is at hand in `order`.
  func has(_ id: ValueID, in order: AxisOrder) -> Bool {
    forms[id]?.contains { $0.order == order } ?? order.isNatural
  }

  /// `id` in its own order, for a reader that knows no other.
  mutating func natural(_ id: ValueID, before index: Int) throws -> ValueID {
    guard forms[id] != nil, let rank = rank(id) else { return id }
    return try get(id, in: .natural(rank), before: index)
  }

  /// `id` in its own order and under its own name.
  mutating func restore(_ id: ValueID, before index: Int) throws {
    let held = try natural(id, before: index)
    if held == id { return }
    patch.insert(Node(op: "Identity", inputs: [held], outputs: [id]), before: index)
    forms[id] = nil
  }

  /// The value that holds `id` in `order`, made before node `index` if need be.
  mutating func get(_ id: ValueID, in order: AxisOrder, before index: Int) throws -> ValueID {
    let own = forms[id] ?? [Form(order: .natural(order.rank), id: id)]
    if let form = own.first(where: { $0.order == order }) { return form.id }
    let source = own[0]
    let permutation = source.order.permutation(to: order)
    let result: ValueID
    if let constant = view.constant(id) {
      result = patch.addConstant(name(id, order), try reordered(constant, AxisOrder(permutation)))
    } else {
      result = order.isNatural ? id : patch.addValue(value(id, order))
      patch.insert(movement(id, source.id, permutation, order, to: result), before: index)
    }
    forms[id] = own + [Form(order: order, id: result)]
    return result
  }

  /// A new value for a node that gives `id` in `order`.
  mutating func define(_ id: ValueID, in order: AxisOrder) -> ValueID {
    let result = patch.addValue(value(id, order))
    forms[id] = [Form(order: order, id: result)]
    return result
  }

  /// Lets `id` lie where `source` does, of which it is the transposition by `permutation`.
  mutating func define(_ id: ValueID, asTranspositionOf source: ValueID, by permutation: [Int]) {
    let own = forms[source] ?? [Form(order: .natural(permutation.count), id: source)]
    forms[id] = own.map { Form(order: $0.order.transposed(by: permutation), id: $0.id) }
  }

  mutating func insert(_ node: Node, before index: Int) { patch.insert(node, before: index) }
  mutating func replace(_ index: Int, with node: Node) { patch.replace(index, with: node) }
  mutating func remove(_ index: Int) { patch.remove(index) }
  mutating func addConstant(_ name: String, _ tensor: Tensor) -> ValueID { patch.addConstant(name, tensor) }
  mutating func addValue(_ value: Value) -> ValueID { patch.addValue(value) }

  private func name(_ id: ValueID, _ order: AxisOrder) -> String {
    let suffix = order == .channelsLast(order.rank) ? "nhwc" : order.axes.map(String.init).joined()
    return "\(view.graph[id].name)_\(suffix)"
  }

  private func value(_ id: ValueID, _ order: AxisOrder) -> Value {
    let type = view.type(id).map { TensorType($0.element, $0.dimensions.map(order.reordered)) }
    return Value(name: name(id, order), type: type.map(ValueType.tensor))
  }

  /// A constant in its own order, brought to `order`.
  func reordered(_ constant: Tensor, _ order: AxisOrder) throws -> Tensor {
    let node = Node(
      op: "Transpose", inputs: [ValueID(0)], outputs: [ValueID(1)], attributes: ["perm": .ints(order.axes)])
    guard let result = try folder.evaluate(node, [constant])?.first else {
      throw OperatorFailure.unsupported("a constant of type \(constant.type.name) cannot be transposed")
    }
    return result
  }

  /// A Transpose, or a Reshape where no element moves: `[n, c, 1, 1]` is `[n, 1, 1, c]`.
  private mutating func movement(
    _ id: ValueID, _ source: ValueID, _ permutation: [Int], _ order: AxisOrder, to result: ValueID
  ) -> Node {
    let extents = view.type(id)?.dimensions.map(order.reordered) ?? []
    let moving = permutation.indices.filter { extents[$0] != .known(1) }.map { permutation[$0] }
    if moving == moving.sorted(), extents.dropFirst().allSatisfy({ $0.extent ?? 0 > 0 }), permutation[0] == 0,
      let shape = try? Tensor(shape: [order.rank], [0] + extents.dropFirst().map { $0.extent ?? 0 })
    {
      let target = patch.addConstant("\(view.graph[id].name)_shape", shape)
      return Node(op: "Reshape", inputs: [source, target], outputs: [result])
    }
    return Node(
      op: "Transpose", inputs: [source], outputs: [result], attributes: ["perm": .ints(permutation)])
  }
}
