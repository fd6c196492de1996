import GraphIR
import Tensors

/// Constants that bodies of If, Loop and Scan read from the graphs around them.
enum BodyConstants {
  /// Smaller ones are not worth a name in several graphs.
  private static let leastSharedBytes = 1024

  /// Gives every body constants of its own, so that they are folded and the methods find them.
  static func localize(_ model: inout Model) { localize(&model.graph) }

  private static func localize(_ graph: inout Graph) {
    graph.localizeConstants()
    for index in graph.nodes.indices { graph.nodes[index].mapBodies { localize(&$0) } }
  }

  /// The constants of all graphs that are large enough.
  private struct Holdings {
    var tensors = EqualTensors()
    /// Of the first of each tensor.
    var names: [String] = []
    /// How many graphs hold each.
    var counts: [Int] = []

    mutating func add(_ tensor: Tensor, name: String) -> Int {
      let number = tensors.add(tensor)
      if number == names.count {
        names.append(name)
        counts.append(0)
      }
      return number
    }
  }

  /// Puts what several graphs hold alike into the outermost one, so that the file has it once.
  /// - Returns: whether there was anything.
  /// - Throws: `CompressionError.model`.
  static func share(_ model: inout Model) throws(CompressionError) -> Bool {
    if model.graph.nodes.allSatisfy(\.bodies.isEmpty) { return false }
    var holdings = Holdings()
    collect(model.graph, &holdings)
    let shared = Set(holdings.counts.indices.filter { holdings.counts[$0] > 1 })
    if shared.isEmpty { return false }
    var places: [Int: ValueID] = [:]
    for index in model.graph.values.indices {
      guard let tensor = model.graph.constant(ValueID(index)),
        let number = holdings.tensors.number(of: tensor)
      else { continue }
      places[number] = ValueID(index)
    }
    var names = UniqueNames(taken: Set(model.graph.values.map(\.name)))
    for number in shared.sorted() where places[number] == nil {
      let name = names.next(holdings.names[number])
      places[number] = model.graph.addValue(Value(name: name, constant: holdings.tensors.tensors[number]))
    }
    places = places.filter { shared.contains($0.key) }
    for index in model.graph.nodes.indices {
      model.graph.nodes[index].mapBodies { capture(&$0, places, holdings) }
    }
    do { _ = try Passes.removeDeadCode(&model) } catch { throw .model("\(error)") }
    return true
  }

  /// Ports, and codes that a product of the same graph reads through DequantizeLinear: onnxruntime joins the two and looks
  /// for the codes in the body itself.
  private static func bound(in graph: Graph) -> Set<ValueID> {
    var result = Set(graph.inputs + graph.outputs)
    let products = graph.nodes.filter { ["MatMul", "Gemm", "Conv", "ConvTranspose"].contains($0.op.type) }
    let factors = Set(products.flatMap(\.inputs))
    for node in graph.nodes where node.op == "DequantizeLinear" && factors.contains(node.outputs[0]) {
      result.formUnion(node.inputs)
    }
    return result
  }

  private static func collect(_ graph: Graph, _ holdings: inout Holdings) {
    let bound = bound(in: graph)
    var own: Set<Int> = []
    for index in graph.values.indices where !bound.contains(ValueID(index)) {
      guard let tensor = graph.values[index].constant, tensor.byteCount >= leastSharedBytes else { continue }
      own.insert(holdings.add(tensor, name: graph.values[index].name))
    }
    for number in own { holdings.counts[number] += 1 }
    for node in graph.nodes {
      for body in node.bodies { collect(body, &holdings) }
    }
  }

  /// - Parameter places: the shared constants in the graph around `body`.
  private static func capture(_ body: inout Graph, _ places: [Int: ValueID], _ holdings: Holdings) {
    let bound = bound(in: body)
    var own: [Int: ValueID] = [:]
    for index in body.values.indices where !bound.contains(ValueID(index)) {
      guard let tensor = body.values[index].constant, tensor.byteCount >= leastSharedBytes,
        let number = holdings.tensors.number(of: tensor), let outer = places[number]
      else { continue }
      body.values[index].constant = nil
      body.captures.append(Capture(outer: outer, inner: ValueID(index)))
      own[number] = own[number] ?? ValueID(index)
    }
    // What bodies further in read has to pass through here.
    var within: Set<Int> = []
    for node in body.nodes {
      for inner in node.bodies { within.formUnion(numbers(in: inner, holdings)) }
    }
    var names = UniqueNames(taken: Set(body.values.map(\.name)))
    for number in within.sorted() where own[number] == nil {
      guard let outer = places[number] else { continue }
      let tensor = holdings.tensors.tensors[number]
      let type = ValueType.tensor(TensorType(tensor.type, shape: tensor.shape))
      let inner = body.addValue(Value(name: names.next(holdings.names[number]), type: type))
      body.captures.append(Capture(outer: outer, inner: inner))
      own[number] = inner
    }
    for index in body.nodes.indices { body.nodes[index].mapBodies { capture(&$0, own, holdings) } }
  }

  /// Of what `graph` and the bodies in it hold.
  private static func numbers(in graph: Graph, _ holdings: Holdings) -> Set<Int> {
    var result: Set<Int> = []
    for value in graph.values {
      guard let tensor = value.constant, tensor.byteCount >= leastSharedBytes else { continue }
      if let number = holdings.tensors.number(of: tensor) { result.insert(number) }
    }
    for node in graph.nodes {
      for body in node.bodies { result.formUnion(numbers(in: body, holdings)) }
    }
    return result
  }
}
