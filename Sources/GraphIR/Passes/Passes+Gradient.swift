import Tensors

extension Passes {
  /// Every Gradient gives way to the nodes that compute it, by differentiation in reverse. Types must have been
  /// inferred.
  /// - Throws: `GraphError.invalidNode` that names the operator that has no gradient here.
  public static func expandGradients(_ model: inout Model) throws(GraphError) -> Int {
    if !model.graph.contains(GradientRule.op) { return 0 }
    var names = UniqueNames(taken: model.graph.allValueNames)
    return try model.changeGraphs { graph throws(GraphError) in
      var changes = 0
      while let index = graph.nodes.firstIndex(where: { $0.op == GradientRule.op }) {
        let node = graph.nodes[index]
        var pass = try ReversePass(node, NodeEmitter(graph, names: names, label: graph.label(of: node)))
        try pass.run()
        graph.values = pass.emitter.graph.values
        names = pass.emitter.names
        graph.nodes.replaceSubrange(index...index, with: pass.emitter.nodes)
        try graph.sortNodes()
        // The next Gradient may differentiate what this one gives.
        try graph.inferTypes()
        changes += 1
      }
      return changes
    }
  }
}

/// Reverse-mode differentiation of one graph.
private struct ReversePass {
  private let node: Node
  private let attributes: GradientAttributes
  private let target: ValueID
  /// What the values that the attributes name stand for.
  private var substitutes: [ValueID: ValueID] = [:]
  /// The nodes between them and the target, in order.
  private var path: [Node] = []
  private var gradients: [ValueID: ValueID] = [:]
  var emitter: NodeEmitter

  init(_ node: Node, _ emitter: NodeEmitter) throws(GraphError) {
    self.node = node
    self.emitter = emitter
    attributes = try GradientAttributes(node)
    let graph = emitter.graph
    func value(_ name: String) throws(GraphError) -> ValueID {
      guard let index = graph.values.firstIndex(where: { $0.name == name }) else {
        throw node.error("there is no value '\(name)'")
      }
      return ValueID(index)
    }
    target = try value(attributes.y)
    var sources: [ValueID] = []
    for name in attributes.xs + attributes.zs { sources.append(try value(name)) }
    for (source, input) in zip(sources, node.inputs) { substitutes[source] = input }
    path = Self.path(graph, from: Array(sources.prefix(attributes.xs.count)), stops: Set(sources), to: target)
    xs = Array(sources.prefix(attributes.xs.count))
  }

  private let xs: [ValueID]

  /// The nodes that `target` depends on and that depend on one of `xs`.
  private static func path(
    _ graph: Graph, from xs: [ValueID], stops: Set<ValueID>, to target: ValueID
  ) -> [Node] {
    var active = Set(xs)
    for node in graph.nodes where !GradientTable.isConstant(node.op) {
      guard (node.inputs + node.capturedValues).contains(where: active.contains) else { continue }
      active.formUnion(node.outputs.filter { !$0.isNone && !stops.contains($0) })
    }
    var needed: Set<ValueID> = [target]
    var path: [Node] = []
    for node in graph.nodes.reversed() {
      guard
        node.outputs.contains(where: { needed.contains($0) && active.contains($0) && !stops.contains($0) })
      else { continue }
      needed.formUnion(node.inputs + node.capturedValues)
      path.append(node)
    }
    return path.reversed()
  }

  mutating func run() throws(GraphError) {
    try repeatForward()
    guard let element = emitter.type(target)?.element, ElementSet.float.contains(element) else {
      throw node.error("the type of '\(attributes.y)' is not known or not a float")
    }
    let y = substitutes[target] ?? target
    gradients[target] = try filled(like: y, 1, element)
    for step in path.reversed() { try goBack(step) }
    for (index, output) in node.outputs.enumerated() where !output.isNone {
      guard let element = emitter.type(xs[index])?.element else {
        throw node.error("the type of '\(attributes.xs[index])' is not known")
      }
      let zero = gradients[xs[index]] == nil ? try filled(like: node.inputs[index], 0, element) : nil
      guard let gradient = gradients[xs[index]] ?? zero else { continue }
      emitter.add(Node(name: emitter.label, op: "Identity", inputs: [gradient], outputs: [output]))
    }
  }

  /// Computes the path again where the node is given other values than the named ones.
  private mutating func repeatForward() throws(GraphError) {
    if substitutes.allSatisfy({ $0 == $1 }) { return }
    let graph = emitter.graph
    let stops = Set(substitutes.keys)
    var replaced = stops.filter { substitutes[$0] != $0 }
    // Not only what leads from xs: zs may have other values as well.
    var needed: Set<ValueID> = [target]
    var all: [Node] = []
    for node in graph.nodes.reversed() where node.outputs.contains(where: { needed.contains($0) }) {
      if node.outputs.allSatisfy({ stops.contains($0) || !needed.contains($0) }) { continue }
      needed.formUnion(node.inputs + node.capturedValues)
      all.append(node)
    }
    for step in all.reversed() {
      guard (step.inputs + step.capturedValues).contains(where: replaced.contains) else { continue }
      var copy = step
      copy.inputs = step.inputs.map { substitutes[$0] ?? $0 }
      let current = substitutes
      copy.mapBodies { body in
        for index in body.captures.indices {
          body.captures[index].outer = current[body.captures[index].outer] ?? body.captures[index].outer
        }
      }
      for (index, output) in step.outputs.enumerated() where !output.isNone {
        copy.outputs[index] = emitter.newValue(graph[output].name)
        substitutes[output] = copy.outputs[index]
        replaced.insert(output)
      }
      copy.name = emitter.graph[copy.outputs.first { !$0.isNone } ?? target].name
      emitter.add(copy)
    }
  }

  private mutating func filled(
    like value: ValueID, _ number: Double, _ element: ElementType
  ) throws(GraphError) -> ValueID {
    let scalar = try emitter.scalar(number, element)
    let typed = element == .bfloat16 ? emitter.cast(scalar, to: element) : scalar
    return emitter.add("Expand", [typed, emitter.add("Shape", [value])])
  }

  /// Hands the gradient of a node's output on to its inputs.
  private mutating func goBack(_ step: Node) throws(GraphError) {
    guard let output = step.outputs.first, !output.isNone, let gradient = gradients[output] else {
      if step.outputs.dropFirst().contains(where: { gradients[$0] != nil }) {
        throw node.error("the gradient of \(step.op) reaches another output than its first")
      }
      return
    }
    var context = GradientContext(
      node: step, inputs: step.inputs.map { substitutes[$0] ?? $0 }, output: substitutes[output] ?? output,
      gradient: gradient, emitter: emitter)
    guard let shares = try GradientTable.shares(&context) else {
      throw node.error("operator \(step.op) (node '\(emitter.graph.label(of: step))') has no gradient")
    }
    for (input, share) in zip(step.inputs, shares) {
      guard let share, !input.isNone, isWanted(input) else { continue }
      if let other = gradients[input] {
        gradients[input] = context.emitter.add("Add", [other, share])
      } else {
        gradients[input] = share
      }
    }
    emitter = context.emitter
  }

  /// Gradients stop at the values that the attributes name, and at what does not depend on them.
  private func isWanted(_ input: ValueID) -> Bool {
    xs.contains(input) || path.contains { $0.outputs.contains(input) }
  }
}
