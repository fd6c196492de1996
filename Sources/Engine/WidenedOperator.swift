import GraphIR
import Tensors

extension OperatorSource {
  /// The same node with float32 in place of float16 and bfloat16.
  var widened: OperatorSource {
    OperatorSource(node: node, inputs: inputs.map(Self.widened), outputs: outputs.map(Self.widened))
  }

  private static func widened(_ type: ValueType?) -> ValueType? {
    guard let tensor = type?.tensor, [ElementType].halves.contains(tensor.element) else { return type }
    return .tensor(TensorType(.float32, tensor.dimensions))
  }
}

/// Computes a float16 or bfloat16 node in float32: operands are widened into scratch memory, and results
/// rounded once.
struct WidenedOperator: ShapedOperator {
  let base: any ShapedOperator

  init(_ base: any ShapedOperator) { self.base = base }

  var isView: Bool { base.isView }

  func outputsFromTypes(_ inputs: [OperandType?]) throws -> [Tensor]? { try base.outputsFromTypes(inputs) }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let widened = PrepareRequest(
      node: request.node, inputs: request.inputs.map(Self.widened),
      outputs: request.outputs.map(Self.widened),
      constants: try request.constants.map(Self.widened), isWeight: request.isWeight, threads: request.threads
    )
    let kernel = try base.prepare(widened)
    let layout = Layout(request, kernel)
    let inputCount = request.inputs.count
    let operandTypes = request.inputs + request.outputs
    // The inner kernel runs on its own table of pointers, at the start of the shared scratch memory.
    let load = Kernel.Phase(pieces: 1) { operands, _ in
      let table = layout.table(operands)
      for (index, type) in operandTypes.enumerated() {
        guard let type, let original = operands.pointers[index] else {
          table[index] = nil
          continue
        }
        guard let offset = layout.offsets[index] else {
          table[index] = original
          continue
        }
        table[index] = operands.sharedScratch + offset
        if index < inputCount {
          HalfConversion.widen(
            type.element, original, (operands.sharedScratch + offset).assumingMemoryBound(to: Float.self),
            count: type.elementCount)
        }
      }
    }
    let inner = kernel.phases.map { phase in
      Kernel.Phase(pieces: phase.pieces) { operands, piece in
        let own = KernelOperands(
          pointers: UnsafePointer(layout.table(operands)), inputCount: inputCount,
          sharedScratch: operands.sharedScratch + layout.innerScratch, threadScratch: operands.threadScratch)
        try phase.body(own, piece)
      }
    }
    let store = Kernel.Phase(pieces: 1) { operands, _ in
      for index in inputCount..<operandTypes.count {
        guard let type = operandTypes[index], let offset = layout.offsets[index],
          let original = operands.pointers[index]
        else { continue }
        HalfConversion.narrow(
          type.element, (operands.sharedScratch + offset).assumingMemoryBound(to: Float.self), original,
          count: type.elementCount)
      }
    }
    return Kernel(
      kernel.name + " widened", phases: [load] + inner + [store], sharedScratch: layout.byteCount,
      threadScratch: kernel.threadScratch)
  }

  private static func widened(_ type: OperandType?) -> OperandType? {
    guard let type, [ElementType].halves.contains(type.element) else { return type }
    return OperandType(element: .float32, shape: type.shape)
  }

  private static func widened(_ tensor: Tensor?) throws -> Tensor? {
    guard let tensor, [ElementType].halves.contains(tensor.type) else { return tensor }
    var result = try Tensor(type: .float32, shape: tensor.shape)
    tensor.withBytes { source in
      result.withMutableElements(Float.self) { destination in
        guard let from = source.baseAddress, let to = destination.baseAddress else { return }
        HalfConversion.widen(
          tensor.type, UnsafeMutableRawPointer(mutating: from), to, count: destination.count)
      }
    }
    return result
  }

  /// Places in the shared scratch memory: the table of pointers, the widened operands, the inner kernel's own.
  private struct Layout {
    let offsets: [Int?]
    let innerScratch: Int
    let byteCount: Int

    init(_ request: PrepareRequest, _ kernel: Kernel) {
      let types = request.inputs + request.outputs
      var end = Self.rounded(types.count * MemoryLayout<UnsafeMutableRawPointer?>.stride)
      offsets = types.map { type in
        guard let type, [ElementType].halves.contains(type.element) else { return nil }
        defer { end += Self.rounded(type.elementCount * MemoryLayout<Float>.stride) }
        return end
      }
      innerScratch = end
      byteCount = end + kernel.sharedScratch
    }

    private static func rounded(_ bytes: Int) -> Int { (bytes + 127) & ~63 }

    func table(_ operands: KernelOperands) -> UnsafeMutablePointer<UnsafeMutableRawPointer?> {
      operands.sharedScratch.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    }
  }
}
