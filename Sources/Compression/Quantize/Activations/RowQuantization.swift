import GraphIR
import Tensors

/// Quantizes every row of a tensor by itself, a row being what lies on the last axis: s = max|x| / 127,
/// q = clip(round(x / s) + 128, 0, 255).
///
/// The zero point is a constant, as MatMulInteger of other runtimes takes one for the whole tensor only. No row
/// depends on another one.
struct RowQuantization {
  let nodes: [Node]
  /// uint8, in the tensor's shape.
  let codes: ValueID
  /// float32 `[…, 1]`
  let scale: ValueID
  /// The scalar 128.
  let zeroPoint: ValueID

  /// The least scale: a row of zeros is divided by it.
  private static let leastScale: Float = 1e-30

  /// - Parameter opset: from 18 on ReduceMax has its axes as an input.
  init(_ value: ValueID, opset: Int, _ editor: inout GraphEditor) throws(TensorError) {
    let name = editor.graph[value].name
    var nodes: [Node] = []
    func add(
      _ suffix: String, _ op: OperatorName, _ inputs: [ValueID], _ editor: inout GraphEditor,
      attributes: Attributes = [:], type: ElementType = .float32
    ) -> ValueID {
      let output = editor.addValue("\(name).\(suffix)", type: type)
      nodes.append(
        Node(
          name: "\(name)/\(suffix)", op: op, inputs: inputs, outputs: [output], attributes: attributes))
      return output
    }
    func number(_ suffix: String, _ value: Float, _ editor: inout GraphEditor) throws(TensorError) -> ValueID
    {
      editor.addConstant("\(name).\(suffix)", try Tensor(scalar: value))
    }
    let absolute = add("abs", "Abs", [value], &editor)
    var reduced = [absolute]
    var attributes: Attributes = ["keepdims": .int(1)]
    if opset >= 18 {
      reduced.append(editor.addConstant("\(name).row_axes", try Tensor(shape: [1], [-1] as [Int64])))
    } else {
      attributes["axes"] = .ints([-1])
    }
    let largest = add("row_max", "ReduceMax", reduced, &editor, attributes: attributes)
    let unbounded = add("row_range", "Mul", [largest, try number("row_levels", 1 / 127, &editor)], &editor)
    scale = add("row_scale", "Max", [unbounded, try number("row_least", Self.leastScale, &editor)], &editor)
    let steps = add("row_steps", "Div", [value, scale], &editor)
    let rounded = add("row_rounded", "Round", [steps], &editor)
    let shifted = add("row_shifted", "Add", [rounded, try number("row_zero", 128, &editor)], &editor)
    let bounds = [try number("row_low", 0, &editor), try number("row_high", 255, &editor)]
    let clipped = add("row_clipped", "Clip", [shifted] + bounds, &editor)
    codes = add("row_q", "Cast", [clipped], &editor, attributes: ["to": .int(2)], type: .uint8)
    zeroPoint = editor.addConstant("\(name).row_zero_point", try Tensor(scalar: UInt8(128)))
    self.nodes = nodes
  }
}
