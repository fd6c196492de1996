import GraphIR
import Tensors

/// Constants that bodies of If, Loop and Scan read from the graphs around them.
enum BodyConstants {
  /// Smaller ones are not worth a name in several graphs.
  private static let leastSharedBytes = 1024

  /// Gives every body constants of its own, so that they are folded and the methods find them.
  static func localize(_ model: inout Model) { localize(&model.graph) }

  private static func localize(_ graph: inout Graph) {
    let outer = graph
    for index in graph.nodes.indices {
      graph.nodes[index].changeBodies { body in
        var kept: [Capture] = []
        for capture in body.captures {
          guard let constant = outer.constant(capture.outer) else {
            kept.append(capture)
            continue
          }
          body[capture.inner].constant = constant
          body[capture.inner].type = .tensor(TensorType(constant.type, shape: constant.shape))
        }
        body.captures = kept
        localize(&body)
      }
    }
  }

  /// Puts what several graphs hold alike into the outermost one, so that the file has it once.
  /// - Returns: whether there was anything.
  /// - Throws: `CompressionError.model`.
  static func share(_ model: inout Model) throws(CompressionError) -> Bool {
    var groups = EqualTensors()
    collect(model.graph, &groups)
    let shared = groups.repeated
    if shared.isEmpty { return false }
    var places: [Int: ValueID] = [:]
    for index in model.graph.values.indices {
      guard let tensor = model.graph.constant(ValueID(index)), let number = groups.number(of: tensor) else {
        continue
      }
      places[number] = ValueID(index)
    }
    var names = Set(model.graph.values.map(\.name))
    for number in shared.sorted() where places[number] == nil {
      let name = unused(groups.names[number], &names)
      places[number] = model.graph.addValue(Value(name: name, constant: groups.tensors[number]))
    }
    places = places.filter { shared.contains($0.key) }
    for index in model.graph.nodes.indices {
      model.graph.nodes[index].changeBodies { capture(&$0, places, groups) }
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

  private static func collect(_ graph: Graph, _ groups: inout EqualTensors) {
    let bound = bound(in: graph)
    var own: Set<Int> = []
    for index in graph.values.indices where !bound.contains(ValueID(index)) {
      guard let tensor = graph.values[index].constant, tensor.byteCount >= leastSharedBytes else { continue }
      own.insert(groups.add(tensor, name: graph.values[index].name))
    }
    for number in own { groups.holders[number] += 1 }
    for node in graph.nodes {
      for body in node.subgraphs { collect(body, &groups) }
    }
  }

  /// - Parameter places: the shared constants in the graph around `body`.
  private static func capture(_ body: inout Graph, _ places: [Int: ValueID], _ groups: EqualTensors) {
    let bound = bound(in: body)
    var own: [Int: ValueID] = [:]
    for index in body.values.indices where !bound.contains(ValueID(index)) {
      guard let tensor = body.values[index].constant, tensor.byteCount >= leastSharedBytes,
        let number = groups.number(of: tensor), let outer = places[number]
      else { continue }
      body.values[index].constant = nil
      body.captures.append(Capture(outer: outer, inner: ValueID(index)))
      own[number] = own[number] ?? ValueID(index)
    }
    // What bodies further in read has to pass through here.
    var within: Set<Int> = []
    for node in body.nodes {
      for inner in node.subgraphs { within.formUnion(numbers(in: inner, groups)) }
    }
    var names = Set(body.values.map(\.name))
    for number in within.sorted() where own[number] == nil {
      guard let outer = places[number] else { continue }
      let tensor = groups.tensors[number]
      let type = ValueType.tensor(TensorType(tensor.type, shape: tensor.shape))
      let inner = body.addValue(Value(name: unused(groups.names[number], &names), type: type))
      body.captures.append(Capture(outer: outer, inner: inner))
      own[number] = inner
    }
    for index in body.nodes.indices { body.nodes[index].changeBodies { capture(&$0, own, groups) } }
  }

  /// Of what `graph` and the bodies in it hold.
  private static func numbers(in graph: Graph, _ groups: EqualTensors) -> Set<Int> {
    var result: Set<Int> = []
    for value in graph.values {
      guard let tensor = value.constant, tensor.byteCount >= leastSharedBytes else { continue }
      if let number = groups.number(of: tensor) { result.insert(number) }
    }
    for node in graph.nodes {
      for body in node.subgraphs { result.formUnion(numbers(in: body, groups)) }
    }
    return result
  }

  private static func unused(_ name: String, _ taken: inout Set<String>) -> String {
    var (result, number) = (name, 2)
    while !taken.insert(result).inserted { (result, number) = ("\(name)_\(number)", number + 1) }
    return result
  }
}
