import GraphIR
import Tensors

/// Puts several small layers in the place of one. The last keeps its name, output and bias; those before it are called
/// `name/low_rank`, a suffix that patterns of layer names do not need to know.
struct LowRankWriter {
  private static let suffix = "/low_rank"

  /// The name of the layer that `name` is a part of; nil for what is no part, and for the last part, which has it.
  static func wholeName(ofPart name: String) -> String? {
    for ordinal in ["", "1", "2"] where name.hasSuffix(suffix + ordinal) {
      return String(name.dropLast(suffix.count + ordinal.count))
    }
    return nil
  }

  private var editor: GraphEditor
  private var names: Set<String>

  init(_ graph: Graph) {
    editor = GraphEditor(graph, "low rank")
    names = Set(graph.values.map(\.name))
  }

  /// - Returns: output names and weights of the new layers.
  mutating func write(_ parts: LowRankCandidate.Parts, of layer: WeightLayer) -> [(String, Tensor)] {
    let node = editor.graph.nodes[layer.node]
    var written: [(String, Tensor)] = []
    var input = layer.activation
    var nodes: [Node] = []
    for (number, weights) in parts.weights.enumerated() {
      let isLast = number == parts.weights.count - 1
      let ordinal = parts.weights.count > 2 ? "\(number + 1)" : ""
      let name = isLast ? node.name : "\(layer.name)\(Self.suffix)\(ordinal)"
      let weight = editor.addConstant("\(layer.name).weight_low_rank\(number + 1)", weights)
      var part = Node(name: name, op: node.op, inputs: [input, weight], outputs: node.outputs)
      part.attributes = attributes(number, of: parts, weights, node.attributes)
      if isLast {
        part.inputs += node.inputs.dropFirst(2)
        part.metadata = node.metadata
        part.documentation = node.documentation
        written.append((editor.graph[layer.output].name, weights))
      } else {
        let output = unusedName(name)
        input = editor.addValue(output, type: .float32)
        part.outputs = [input]
        written.append((output, weights))
      }
      nodes.append(part)
    }
    editor.replace(node: layer.node, with: nodes)
    return written
  }

  private mutating func unusedName(_ wanted: String) -> String {
    var name = wanted
    var number = 1
    while !names.insert(name).inserted {
      name = "\(wanted)_\(number)"
      number += 1
    }
    return name
  }

  /// Strides, pads and dilations go to the part with the window along their axis, factors of a Gemm to the last.
  private func attributes(
    _ number: Int, of parts: LowRankCandidate.Parts, _ weights: Tensor, _ whole: Attributes
  ) -> Attributes {
    let isLast = number == parts.weights.count - 1
    switch parts.form {
    case .tucker:
      return number == 1 ? whole : ["kernel_shape": .ints([1, 1])]
    case .spatial:
      var own = whole
      own["kernel_shape"] = .ints([weights.shape[2], weights.shape[3]])
      for name in ["strides", "dilations"] {
        guard let both = whole.ints(name), both.count == 2 else { continue }
        own[name] = .ints(isLast ? [1, both[1]] : [both[0], 1])
      }
      if let pads = whole.ints("pads"), pads.count == 4 {
        own["pads"] = .ints(isLast ? [0, pads[1], 0, pads[3]] : [pads[0], 0, pads[2], 0])
      }
      return own
    case .matrices:
      if weights.shape.rank > 2 {
        return isLast ? ["kernel_shape": .ints(Array(weights.shape.dimensions.dropFirst(2)))] : whole
      }
      if isLast { return whole }
      return whole["transB"].map { ["transB": $0] } ?? [:]
    }
  }

  consuming func apply(to model: inout Model) throws(CompressionError) { try editor.apply(to: &model) }
}
