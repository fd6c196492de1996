import GraphIR
import Tensors

/// Reshape to `[n, groups, channels / groups, h, w]`, a Transpose of those two axes, and Reshape back: with the
/// channels last, each pixel is a matrix that is transposed (ShuffleNet, arXiv:1707.01083).
struct ChannelShuffle {
  let input: ValueID
  let output: ValueID
  private let groups: Int
  private let channels: Int
  let nodes: [Int]

  /// The shuffles of a graph, by their last node.
  static func all(in forms: LayoutForms) -> [Int: ChannelShuffle] {
    var shuffles: [Int: ChannelShuffle] = [:]
    for (index, node) in forms.view.graph.nodes.enumerated() where node.op == "Transpose" {
      if let shuffle = ChannelShuffle(index, node, forms) {
        for node in shuffle.nodes { shuffles[node] = shuffle }
      }
    }
    return shuffles
  }

  private init?(_ index: Int, _ node: Node, _ forms: LayoutForms) {
    let view = forms.view
    guard node.attributes.ints("perm") == [0, 2, 1, 3, 4],
      let first = view.soleWriter(node.inputs[0], "Reshape"),
      let source = view.type(first.node.inputs[0])?.dimensions, source.count == 4,
      let split = view.type(node.inputs[0])?.dimensions, split.count == 5,
      case let readers = forms.readers(of: node.outputs[0]), readers.count == 1,
      view.uses.readCount(of: node.outputs[0]) == 1,
      case let last = view.graph.nodes[readers[0]], last.op == "Reshape",
      let result = view.type(last.outputs[0])?.dimensions, result.count == 4,
      let channels = source[1].extent, let groups = split[1].extent, let width = split[2].extent,
      groups * width == channels, result == source, Array(split[3...]) == Array(source[2...]),
      split[0] == source[0], !source.contains(.unknown)
    else { return nil }
    input = first.node.inputs[0]
    output = last.outputs[0]
    self.groups = groups
    self.channels = channels
    nodes = [first.index, index, readers[0]]
  }

  /// Makes the nodes that give the output with its channels last.
  func move(_ forms: inout LayoutForms, before index: Int) throws {
    guard let type = forms.view.type(input)?.dimensions else { return }
    let element = forms.view.element(input) ?? .float32
    let order = AxisOrder.channelsLast(4)
    let held = try forms.get(input, in: order, before: index)
    let name = forms.view.graph[output].name
    let pixels = [type[0], type[2], type[3]]
    let width = channels / groups
    let value = { (forms: inout LayoutForms, suffix: String, extents: [Int]) in
      forms.addValue(
        Value(
          name: name + suffix,
          type: .tensor(TensorType(element, pixels + extents.map(Dimension.known)))))
    }
    let split = value(&forms, "_split", [groups, width])
    let swapped = value(&forms, "_swapped", [width, groups])
    let target = try Tensor(shape: [5], [0, 0, 0, groups, width])
    let back = try Tensor(shape: [4], [0, 0, 0, channels])
    forms.insert(
      Node(op: "Reshape", inputs: [held, forms.addConstant(name + "_groups", target)], outputs: [split]),
      before: index)
    forms.insert(
      Node(
        op: "Transpose", inputs: [split], outputs: [swapped], attributes: ["perm": .ints([0, 1, 2, 4, 3])]),
      before: index)
    forms.insert(
      Node(
        op: "Reshape", inputs: [swapped, forms.addConstant(name + "_shape", back)],
        outputs: [forms.define(output, in: order)]), before: index)
  }
}
