import GraphIR
import Tensors

/// How an operator works on tensors whose axes lie in another order.
enum LayoutRule {
  /// Element by element; operands broadcast.
  case elementwise
  /// The operands listed have an axis named by attribute `name`; all others are left as they are.
  case axis(String, default: Int, moves: OperandList)
  /// Input 1 lists the axes that are reduced; all axes when it is missing.
  case reduction
  /// Input 0 is cut along the axes that input 3 lists.
  case slice
  /// Input 1 has starts, then ends for all axes, or those that input 3 lists.
  case pad
  case resize
  /// Element by element over the operands listed; all others are left as they are.
  case operands([Int])
  /// Another operator computes the same for images whose channels lie last; the operands listed are such images.
  case channelsLast(OperatorName, moves: OperandList)
}

/// Which inputs of a node are tensors of the layout in question.
enum OperandList {
  case all
  case these([Int])

  func contains(_ input: Int) -> Bool {
    switch self {
    case .all: true
    case .these(let inputs): inputs.contains(input)
    }
  }
}

/// A node as it looks after the move.
struct MovedNode {
  var op: OperatorName
  var attributes: Attributes
  /// Inputs that are wanted in the new order.
  var moved: [Int] = []
  /// Inputs that become other constants.
  var constants: [Int: Tensor] = [:]
  /// Whether outputs come in the new order, or in their own.
  var movesOutputs = true

  init(_ node: Node) {
    op = node.op
    attributes = node.attributes
  }
}

/// What a rule may ask about the node that it moves.
struct LayoutRequest {
  let node: Node
  let order: AxisOrder
  let view: FusionView

  func constant(_ input: Int) -> Tensor? { node.hasInput(input) ? view.constant(node.inputs[input]) : nil }
  func dimensions(_ input: Int) -> [Dimension]? {
    node.hasInput(input) ? view.type(node.inputs[input])?.dimensions : nil
  }

  /// The elements of a constant that lists axes or extents.
  func integers(_ input: Int) -> [Int]? {
    guard let tensor = constant(input) else { return nil }
    switch tensor.type {
    case .int64: return tensor.array(of: Int.self)
    case .int32: return tensor.array(of: Int32.self).map(Int.init)
    default: return nil
    }
  }

  var hasSingle: (Int) -> Bool { { view.type(node.inputs[$0])?.shape?.elementCount == 1 } }
}
