import GraphIR
import Tensors

/// Runs one node on owned values: constant folding, values known while planning, and dynamic steps.
struct NodeRunner {
  let rule: OperatorRule
  let implementation: OperatorImplementation
  /// The most bytes that one tensor may take.
  let memoryLimit: Int

  /// - Returns: one value for each output; `omitted` stands for outputs that the node leaves out.
  /// - Throws: `OperatorFailure`, `GraphError`, `TensorError`, `EngineError.memoryLimit`.
  func run(
    _ node: Node, _ inputs: [RuntimeValue?], isWeight: [Bool], team: ThreadTeam,
    bodies: BodySessions = BodySessions(), isCancelled: (() -> Bool)? = nil
  ) throws -> [RuntimeValue?] {
    switch implementation {
    case .dynamic(let op):
      let outputs = try op.run(
        inputs,
        DynamicContext(team: team, memoryLimit: memoryLimit, bodies: bodies, isCancelled: isCancelled))
      guard outputs.count >= node.outputs.count else {
        throw OperatorFailure.invalid("it gives \(outputs.count) of \(node.outputs.count) outputs")
      }
      return outputs
    case .shaped(let op):
      let tensors = try inputs.map { (value: RuntimeValue?) -> Tensor? in
        guard let value else { return nil }
        guard let tensor = value.tensor else { throw OperatorFailure.invalid("an input is not a tensor") }
        return tensor
      }
      return try run(op, node, tensors, isWeight, team).map { $0.map(RuntimeValue.tensor) }
    }
  }

  private func run(
    _ op: any ShapedOperator, _ node: Node, _ inputs: [Tensor?], _ isWeight: [Bool], _ team: ThreadTeam
  ) throws -> [Tensor?] {
    let inputTypes = inputs.map { $0.map { OperandType(element: $0.type, shape: $0.shape) } }
    if let outputs = try op.outputsFromTypes(inputTypes) { return outputs }
    let outputTypes = try inferOutputs(node, inputs)
    if op.isView, let input = inputs[0], let type = outputTypes[0] {
      return [try input.reshaped(to: type.shape)]
    }
    var outputs = try outputTypes.map { (type: OperandType?) throws -> Tensor? in
      guard let type else { return nil }
      if type.byteCount > memoryLimit {
        throw EngineError.memoryLimit(bytes: type.byteCount, limit: memoryLimit)
      }
      return try Tensor(type: type.element, shape: type.shape)
    }
    let request = PrepareRequest(
      node: node, inputs: inputTypes, outputs: outputTypes, constants: inputs, isWeight: isWeight,
      threads: team.threads)
    let kernel = try op.prepare(request)
    try run(kernel, inputs, &outputs, team)
    return outputs
  }

  private func inferOutputs(_ node: Node, _ inputs: [Tensor?]) throws -> [OperandType?] {
    var context = InferenceContext(
      node: node, inputTypes: inputs.map { $0.map { .tensor(TensorType($0.type, shape: $0.shape)) } },
      constants: inputs)
    try rule.infer(&context)
    return try context.outputTypes.enumerated().map { index, type throws -> OperandType? in
      if node.outputs[index].isNone { return nil }
      guard let tensor = type?.tensor, let shape = tensor.shape else {
        throw OperatorFailure.invalid("the shape of output \(index) does not follow from the inputs")
      }
      return OperandType(element: tensor.element, shape: shape)
    }
  }

  private func run(_ kernel: Kernel, _ inputs: [Tensor?], _ outputs: inout [Tensor?], _ team: ThreadTeam)
    throws
  {
    var pointers: [UnsafeMutableRawPointer?] = inputs.map { $0?.buffer?.bytes.baseAddress }
    for index in outputs.indices {
      // The tensors were made above and nobody shares them, so their blocks stay where they are.
      pointers.append(outputs[index]?.withMutableBytes { $0.baseAddress })
    }
    let scratch = try AlignedBuffer(byteCount: kernel.scratchBytes(threads: team.threads))
    try withExtendedLifetime((inputs, scratch)) {
      try pointers.withUnsafeBufferPointer { pointers in
        try kernel.run(
          pointers.baseAddress!, inputCount: inputs.count, scratch: scratch.bytes.baseAddress!, team: team)
      }
    }
    withExtendedLifetime(outputs) {}
  }
}
