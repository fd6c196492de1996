import GraphIR
import Tensors

/// Two models in one graph, which reads its inputs once and gives the weighted mean of their outputs.
struct Ensemble {
  /// The share of the other model.
  var alpha: Double
  /// What the other model is called.
  var name: String

  /// - Throws: `CompressionError.model` for models whose inputs or outputs differ.
  func join(_ other: Model, to model: inout Model, _ ledger: inout LayerLedger) throws(CompressionError) {
    for layer in LayerScan(model).all { ledger.mention(layer, model[graph: layer.path]) }
    let other = try prepare(other, &model)
    let inputs = try match(model.graph, other.graph)
    let outputs = try matchOutputs(model.graph, other.graph)
    if let given = model.graph.outputs.first(where: model.graph.inputs.contains) {
      throw .model("output '\(model.graph[given].name)' is an input")
    }
    let given = model.graph.append(other.graph, label: name, inputs: inputs)
    for (output, counterpart) in zip(model.graph.outputs, outputs) {
      try average(output, given[counterpart], &model.graph, &ledger)
    }
    model.irVersion = max(model.irVersion, other.irVersion)
    for layer in LayerScan(model).all {
      ledger.add(layer, model[graph: layer.path], method: "ensemble with \(name)")
    }
  }

  /// Both in one opset and without functions of their own, as calls of one would find those of the other.
  private func prepare(_ other: Model, _ model: inout Model) throws(CompressionError) -> Model {
    var other = other
    do {
      let opset = max(model.opsets[""] ?? 1, other.opsets[""] ?? 1)
      model = try model.raised(to: opset)
      other = try other.raised(to: opset)
      try other.inlineFunctions()
    } catch {
      throw .model("\(error)")
    }
    if !other.functions.isEmpty { throw .model("it has functions that cannot be inlined") }
    for (domain, version) in other.opsets.sorted(by: { $0.key < $1.key }) {
      if let own = model.opsets[domain], own != version {
        throw .model("it uses version \(version) of domain '\(domain)', the model version \(own)")
      }
      model.opsets[domain] = version
    }
    return other
  }

  /// The model's inputs in the order of the other's.
  private func match(_ graph: Graph, _ other: Graph) throws(CompressionError) -> [ValueID] {
    let (ours, theirs) = (graph.requiredInputs, other.requiredInputs)
    let order = try counterparts(of: theirs.map { other[$0] }, in: ours.map { graph[$0] }, "input")
    return order.map { ours[$0] }
  }

  /// For each of the model's outputs, the number of the other's.
  private func matchOutputs(_ graph: Graph, _ other: Graph) throws(CompressionError) -> [Int] {
    for output in graph.outputs {
      guard let type = graph[output].type?.tensor, Self.floats.contains(type.element) else {
        throw .model("output '\(graph[output].name)' is not of floats, which alone can be averaged")
      }
    }
    return try counterparts(
      of: graph.outputs.map { graph[$0] }, in: other.outputs.map { other[$0] }, "output")
  }

  private static let floats: Set<ElementType> = [.float32, .float64, .float16]

  /// By name when all names are there, else by order.
  private func counterparts(
    of values: [Value], in others: [Value], _ what: String
  ) throws(CompressionError) -> [Int] {
    guard values.count == others.count else {
      throw .model("the models differ in their number of \(what)s, \(values.count) and \(others.count)")
    }
    let named = values.compactMap { value in others.firstIndex { $0.name == value.name } }
    let order = named.count == values.count ? named : Array(others.indices)
    for (value, place) in zip(values, order) where !Self.fits(value.type?.tensor, others[place].type?.tensor)
    {
      throw .model("\(what) '\(value.name)' and '\(others[place].name)' have different types or shapes")
    }
    return order
  }

  /// Extents that are not known may be equal.
  private static func fits(_ left: TensorType?, _ right: TensorType?) -> Bool {
    guard let left, let right else { return true }
    guard left.element == right.element else { return false }
    guard let a = left.dimensions, let b = right.dimensions else { return true }
    guard a.count == b.count else { return false }
    return zip(a, b).allSatisfy { pair in
      guard let one = pair.0.extent, let other = pair.1.extent else { return true }
      return one == other
    }
  }

  /// Gives the output's name and place to the mean; what had them is called `name/own`.
  private func average(
    _ output: ValueID, _ counterpart: ValueID, _ graph: inout Graph, _ ledger: inout LayerLedger
  ) throws(CompressionError) {
    let value = graph[output]
    var taken = Set(graph.values.map(\.name))
    func unused(_ wanted: String) -> String {
      var name = wanted
      while !taken.insert(name).inserted { name += "_" }
      return name
    }
    let own = unused("\(value.name)/own")
    ledger.rename(value.name, to: own)
    graph[output].name = own
    let mean = graph.addValue(Value(name: value.name, type: value.type))
    var parts: [ValueID] = []
    for (part, share) in [(output, 1 - alpha), (counterpart, alpha)] {
      let scale = try constant(share, value.type?.tensor?.element ?? .float32)
      let factor = graph.addValue(Value(name: unused("\(own)/share"), constant: scale))
      let weighted = graph.addValue(Value(name: unused("\(own)/weighted"), type: value.type))
      graph.nodes.append(
        Node(name: graph[weighted].name, op: "Mul", inputs: [part, factor], outputs: [weighted]))
      parts.append(weighted)
    }
    graph.nodes.append(Node(name: unused("\(value.name)/mean"), op: "Add", inputs: parts, outputs: [mean]))
    graph.outputs = graph.outputs.map { $0 == output ? mean : $0 }
  }

  private func constant(_ share: Double, _ type: ElementType) throws(CompressionError) -> Tensor {
    try tensors { () throws(TensorError) in
      switch type {
      case .float64: try Tensor(shape: .scalar, [share])
      case .float16: try Tensor(shape: .scalar, [Float16(share)])
      default: try Tensor(shape: .scalar, [Float(share)])
      }
    }
  }
}
