import Tensors

/// One node, and the gradient of its first output, on the way back.
struct GradientContext {
  /// As in the graph: types are those of its own inputs and output.
  let node: Node
  /// Where the values are that the gradient is taken at.
  let inputs: [ValueID]
  let output: ValueID
  let gradient: ValueID
  var emitter: NodeEmitter

  mutating func add(_ op: OperatorName, _ inputs: [ValueID], _ attributes: Attributes = [:]) -> ValueID {
    emitter.add(op, inputs, attributes)
  }

  mutating func times(_ left: ValueID, _ right: ValueID) -> ValueID { add("Mul", [left, right]) }
  mutating func negated(_ value: ValueID) -> ValueID { add("Neg", [value]) }

  /// A scalar of the output's type.
  mutating func scalar(_ value: Double) throws(GraphError) -> ValueID {
    guard let element = emitter.type(node.outputs[0])?.element else {
      throw node.error("its type is not known, which its gradient needs")
    }
    let scalar = try emitter.scalar(value, element)
    return element == .bfloat16 ? emitter.cast(scalar, to: element) : scalar
  }

  /// `value`, of the output's shape, summed over the axes along which input `index` was broadcast.
  mutating func reduced(_ value: ValueID, toInput index: Int) throws(GraphError) -> ValueID {
    let own = emitter.type(node.inputs[index])?.dimensions
    let whole = emitter.type(node.outputs[0])?.dimensions
    if let own, own == whole, !own.contains(.unknown) { return value }
    guard let own, let whole else {
      throw node.error("the ranks of its operands are not known, which its gradient needs")
    }
    let shape = add("Shape", [inputs[index]])
    let missing = whole.count - own.count
    // An extent of 1 may have been broadcast: where the other is 1 too, there is nothing to sum.
    let isKnown = own.enumerated().allSatisfy { axis, extent in
      extent.extent != nil || (extent == whole[missing + axis] && extent != .unknown)
    }
    let axes: ValueID
    if isKnown {
      axes = try emitter.constant(
        whole.indices.filter { $0 < missing || own[$0 - missing] == .known(1) })
    } else {
      let ones = try emitter.constant([Int](repeating: 1, count: missing))
      let single = add("Equal", [emitter.concat([ones, shape]), try emitter.constant([1])])
      axes = add("Reshape", [add("NonZero", [single]), try emitter.constant([-1])])
    }
    let sum = add("ReduceSum", [value, axes], ["keepdims": .int(1), "noop_with_empty_axes": .int(1)])
    return add("Reshape", [sum, shape], ["allowzero": .int(1)])
  }

  mutating func transposed(_ value: ValueID, like input: Int) throws(GraphError) -> ValueID {
    guard let rank = emitter.type(node.inputs[input])?.dimensions?.count, rank > 1 else {
      throw node.error("its gradient needs operands of a known rank of at least 2")
    }
    var axes = Array(0..<rank)
    axes.swapAt(rank - 1, rank - 2)
    return add("Transpose", [value], ["perm": .ints(axes)])
  }

  /// The shape of input `index` again.
  mutating func reshaped(_ value: ValueID, toInput index: Int) -> ValueID {
    add("Reshape", [value, add("Shape", [inputs[index]])], ["allowzero": .int(1)])
  }
}
