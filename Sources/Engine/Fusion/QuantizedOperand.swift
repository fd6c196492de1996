import GraphIR
import Tensors

/// An 8-bit tensor with one constant scale and zero point, on one side of DequantizeLinear or QuantizeLinear.
struct QuantizedOperand {
  /// The 8-bit tensor.
  let id: ValueID
  let element: ElementType
  let scale: Float
  let zeroPoint: Int32
  let node: Node
  let index: Int

  /// What a node reads as float32, when DequantizeLinear gives it.
  init?(dequantized id: ValueID, _ view: FusionView) {
    guard let (index, node) = view.writer(id, "DequantizeLinear") else { return nil }
    self.init(index, node, node.inputs[0], view)
  }

  /// What the QuantizeLinear at `index` gives.
  init?(quantizedBy index: Int, _ node: Node, _ view: FusionView) {
    guard node.op == "QuantizeLinear", view.element(node.inputs[0]) == .float32 else { return nil }
    self.init(index, node, node.outputs[0], view)
  }

  private init?(_ index: Int, _ node: Node, _ id: ValueID, _ view: FusionView) {
    guard let element = view.element(id), [ElementType].eightBit.contains(element),
      let scale = view.scalar(node.inputs[1]), scale > 0, scale.isFinite,
      (node.attributes.int("block_size") ?? 0) == 0
    else { return nil }
    var zeroPoint: Int32 = 0
    if node.hasInput(2) {
      guard let point = view.constant(node.inputs[2]), point.type == element, point.elementCount == 1,
        let value = try? point.firstInteger()
      else { return nil }
      zeroPoint = value
    }
    self.id = id
    self.element = element
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.node = node
    self.index = index
  }

  /// The scale and zero point as inputs of a node.
  var inputs: [ValueID] { [node.inputs[1], node.hasInput(2) ? node.inputs[2] : .none] }

  /// Whether the same integers stand for the same numbers.
  func agrees(with other: QuantizedOperand) -> Bool {
    element == other.element && scale == other.scale && zeroPoint == other.zeroPoint
  }
}
