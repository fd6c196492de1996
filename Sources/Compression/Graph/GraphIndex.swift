import GraphIR

/// Where values come from and at which places they are read.
struct GraphIndex {
  struct Use: Hashable {
    var node: Int
    var position: Int
  }

  private(set) var producers: [ValueID: Int] = [:]
  private(set) var uses: [ValueID: [Use]] = [:]
  /// Values that sub-graphs read.
  private var captured: Set<ValueID> = []
  private let outputs: Set<ValueID>

  init(_ graph: Graph) {
    outputs = Set(graph.outputs)
    for (index, node) in graph.nodes.enumerated() {
      for output in node.outputs where !output.isNone { producers[output] = index }
      for (position, input) in node.inputs.enumerated() where !input.isNone {
        uses[input, default: []].append(Use(node: index, position: position))
      }
      for subgraph in node.bodies { captured.formUnion(subgraph.captures.map(\.outer)) }
    }
  }

  func isGraphOutput(_ value: ValueID) -> Bool { outputs.contains(value) }

  /// The places where `value` is read; nil when it leaves the graph or a body reads it.
  func allUses(of value: ValueID) -> [Use]? {
    outputs.contains(value) || captured.contains(value) ? nil : uses[value] ?? []
  }

  /// The one place where `value` is read; nil when there are more, or it leaves the graph.
  func onlyUse(of value: ValueID) -> Use? {
    guard let uses = allUses(of: value), uses.count == 1 else { return nil }
    return uses[0]
  }
}

extension Graph {
  /// What nodes give, by name.
  var computedValues: [String: ValueID] {
    let outputs = nodes.flatMap(\.outputs).filter { !$0.isNone }
    return Dictionary(outputs.map { (self[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
  }
}
