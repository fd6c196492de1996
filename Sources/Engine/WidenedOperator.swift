import GraphIR
import Tensors

extension OperatorSource {
  /// The same node with `wide` (float32 or float64) in place of narrower floats.
  func widened(to wide: ElementType = .float32) -> OperatorSource {
    func widened(_ type: ValueType?) -> ValueType? {
      guard let tensor = type?.tensor, tensor.element.isNarrower(than: wide) else { return type }
      return .tensor(TensorType(wide, tensor.dimensions))
    }
    return OperatorSource(
      node: node, inputs: inputs.map(widened), outputs: outputs.map(widened), options: options)
  }

  /// The widest of the node's float types, at least float32; nil when all its floats have that type already.
  var commonFloat: ElementType? {
    let floats = (inputs + outputs).compactMap { $0?.tensor?.element }.filter { $0.isNarrower(than: nil) }
    let common: ElementType = floats.contains(.float64) ? .float64 : .float32
    return floats.allSatisfy { $0 == common } ? nil : common
  }
}

extension ElementType {
  /// Whether this is a float type of 16 to 64 bits with fewer bits than `other`; nil: than any.
  fileprivate func isNarrower(than other: ElementType?) -> Bool {
    guard [ElementType].halves.contains(self) || [ElementType].floats.contains(self) else { return false }
    return other.map { bitWidth < $0.bitWidth } ?? true
  }
}

/// Computes a node of float16, bfloat16 or mixed floats in one wider type: operands are widened into scratch
/// memory, and results rounded once.
struct WidenedOperator: ShapedOperator {
  let base: any ShapedOperator
  let wide: ElementType

  /// - Parameter wide: float32 or float64.
  init(_ base: any ShapedOperator, to wide: ElementType = .float32) {
    self.base = base
    self.wide = wide
  }

  var isView: Bool { base.isView }
  var knownInputs: [Int] { base.knownInputs }

  func outputsFromTypes(_ inputs: [OperandType?]) throws -> [Tensor]? { try base.outputsFromTypes(inputs) }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let widened = PrepareRequest(
      node: request.node, inputs: request.inputs.map(widened),
      outputs: request.outputs.map(widened),
      constants: try request.constants.map(widened), isWeight: request.isWeight, threads: request.threads
    )
    let kernel = try base.prepare(widened)
    let layout = Layout(request, kernel, wide)
    let inputCount = request.inputs.count
    let operandTypes = request.inputs + request.outputs
    let wide = wide
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
            type.element, to: wide, original, operands.sharedScratch + offset, count: type.elementCount)
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
          type.element, from: wide, operands.sharedScratch + offset, original, count: type.elementCount)
      }
    }
    return Kernel(
      kernel.name + " widened", phases: [load] + inner + [store], sharedScratch: layout.byteCount,
      threadScratch: kernel.threadScratch)
  }

  private func widened(_ type: OperandType?) -> OperandType? {
    guard let type, type.element.isNarrower(than: wide) else { return type }
    return OperandType(element: wide, shape: type.shape)
  }

  private func widened(_ tensor: Tensor?) throws -> Tensor? {
    guard let tensor, tensor.type.isNarrower(than: wide) else { return tensor }
    var result = try Tensor(type: wide, shape: tensor.shape)
    let count = tensor.elementCount
    tensor.withBytes { source in
      result.withMutableBytes { destination in
        guard let from = source.baseAddress, let to = destination.baseAddress else { return }
        HalfConversion.widen(
          tensor.type, to: wide, UnsafeMutableRawPointer(mutating: from), to, count: count)
      }
    }
    return result
  }

  /// Places in the shared scratch memory: the table of pointers, the widened operands, the inner kernel's own.
  private struct Layout {
    let offsets: [Int?]
    let innerScratch: Int
    let byteCount: Int

    init(_ request: PrepareRequest, _ kernel: Kernel, _ wide: ElementType) {
      let types = request.inputs + request.outputs
      var end = Self.rounded(types.count * MemoryLayout<UnsafeMutableRawPointer?>.stride)
      offsets = types.map { type in
        guard let type, type.element.isNarrower(than: wide) else { return nil }
        defer { end += Self.rounded(type.elementCount * wide.bitWidth / 8) }
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
