import GraphIR
import Tensors

/// The nodes that give back what `BitmaskCode` holds, in any runtime:
///
///     mask [B, 1] ─ BitShift(0…7) ─ BitwiseAnd(1) ─ Reshape ─ (Slice) ─ Cast ─ bits
///     bits ─ CumSum ─ Mul(bits) ─ Gather(values) ─ Reshape
struct BitmaskPattern {
  /// Constants that all patterns of a graph share.
  private struct Shared {
    var shifts, one, flat, axis, start: ValueID
  }

  private var shared: Shared?

  /// Inserts the nodes before all others.
  /// - Returns: the value that has the elements.
  mutating func insert(
    _ code: BitmaskCode, _ name: String, _ patch: inout GraphPatch
  ) throws(TensorError) -> ValueID {
    let shared = try sharedConstants(&patch)
    let mask = patch.addConstant("\(name).mask", try code.mask.reshaped(to: [code.mask.elementCount, 1]))
    let values = patch.addConstant("\(name).kept", code.values)
    func node(
      _ op: OperatorName, _ part: String, _ inputs: [ValueID], _ attributes: Attributes,
      _ patch: inout GraphPatch
    ) -> ValueID {
      let output = patch.addValue(Value(name: "\(name).\(part)"))
      patch.insert(
        Node(name: "\(name)/\(part)", op: op, inputs: inputs, outputs: [output], attributes: attributes),
        before: 0)
      return output
    }
    let shifted = node(
      "BitShift", "shifted", [mask, shared.shifts], ["direction": .string("RIGHT")], &patch)
    let columns = node("BitwiseAnd", "columns", [shifted, shared.one], [:], &patch)
    var bits = node("Reshape", "bytes", [columns, shared.flat], [:], &patch)
    let count = code.shape.elementCount
    if count % 8 != 0 {
      let end = patch.addConstant("\(name).count", try Tensor(shape: [1], [Int64(count)]))
      bits = node("Slice", "cut", [bits, shared.start, end], [:], &patch)
    }
    let integers = node("Cast", "bits", [bits], ["to": .int(6)], &patch)
    let ranks = node("CumSum", "ranks", [integers, shared.axis], [:], &patch)
    let places = node("Mul", "places", [ranks, integers], [:], &patch)
    let elements = node("Gather", "elements", [values, places], [:], &patch)
    if code.shape.rank == 1 { return elements }
    let shape = patch.addConstant(
      "\(name).shape", try Tensor(shape: [code.shape.rank], code.shape.dimensions.map(Int64.init)))
    return node("Reshape", "plain", [elements, shape], [:], &patch)
  }

  private mutating func sharedConstants(_ patch: inout GraphPatch) throws(TensorError) -> Shared {
    if let shared { return shared }
    let constants = Shared(
      shifts: patch.addConstant("bit_shifts", try Tensor(shape: [8], (0..<8).map { UInt8($0) })),
      one: patch.addConstant("bit_one", try Tensor(shape: [1], [1 as UInt8])),
      flat: patch.addConstant("bit_flat", try Tensor(shape: [1], [-1 as Int64])),
      axis: patch.addConstant("bit_axis", try Tensor(scalar: 0 as Int32)),
      start: patch.addConstant("bit_start", try Tensor(shape: [1], [0 as Int64])))
    shared = constants
    return constants
  }
}
