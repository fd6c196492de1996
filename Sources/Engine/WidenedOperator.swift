import GraphIR
import Tensors

extension OperatorSource {
  /// The same node with `wide` (float32 or float64) in place of narrower floats.
  func widened(to wide: ElementType = .float32) -> OperatorSource { converted(.widens(to: wide)) }

  /// The same node with uint8 in place of types of which several elements share a byte.
  var unpacked: OperatorSource { converted(.unpacks) }

  private func converted(_ conversion: OperandConversion) -> OperatorSource {
    func type(_ type: ValueType?) -> ValueType? {
      guard let tensor = type?.tensor, let target = conversion.target(of: tensor.element) else { return type }
      return .tensor(TensorType(target, tensor.dimensions))
    }
    return OperatorSource(
      node: node, inputs: inputs.map(type), outputs: outputs.map(type), options: options)
  }
}

extension OperatorSource {
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

/// How operands are stored while a kernel works on them.
enum OperandConversion {
  /// Narrower floats as float32 or float64; results are rounded once.
  case widens(to: ElementType)
  /// Elements of less than a byte as one byte each, to be moved without being understood.
  case unpacks

  /// What an operand of type `element` becomes; nil when it stays as it is.
  func target(of element: ElementType) -> ElementType? {
    switch self {
    case .widens(let wide): element.isNarrower(than: wide) ? wide : nil
    case .unpacks: element.isPacked ? .uint8 : nil
    }
  }

  func load(
    _ element: ElementType, _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, count: Int
  ) {
    switch self {
    case .widens(let wide):
      HalfConversion.widen(
        element, to: wide, UnsafeMutableRawPointer(mutating: source), target, count: count)
    case .unpacks:
      let bytes = UnsafeRawBufferPointer(start: source, count: element.byteCount(elements: count) ?? 0)
      for index in 0..<count {
        let code = PackedElements.code(bytes, at: index, width: element.bitWidth)
        target.storeBytes(of: code, toByteOffset: index, as: UInt8.self)
      }
    }
  }

  func store(
    _ element: ElementType, _ source: UnsafeMutableRawPointer, _ target: UnsafeMutableRawPointer, count: Int
  ) {
    switch self {
    case .widens(let wide):
      HalfConversion.narrow(element, from: wide, source, target, count: count)
    case .unpacks:
      let bytes = UnsafeMutableRawBufferPointer(start: target, count: element.byteCount(elements: count) ?? 0)
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      for index in 0..<count {
        let code = source.load(fromByteOffset: index, as: UInt8.self)
        PackedElements.setCode(bytes, at: index, width: element.bitWidth, code)
      }
    }
  }
}

/// Computes a node on operands of another type, which lie in scratch memory: narrow floats in a wider type, or
/// packed elements as bytes.
struct WidenedOperator: ShapedOperator {
  let base: any ShapedOperator
  private let conversion: OperandConversion

  /// - Parameter base: made for the types that `conversion` gives.
  init(_ base: any ShapedOperator, _ conversion: OperandConversion = .widens(to: .float32)) {
    self.base = base
    self.conversion = conversion
  }

  var isView: Bool { base.isView }

  func outputsFromTypes(_ inputs: [OperandType?]) throws -> [Tensor]? { try base.outputsFromTypes(inputs) }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let widened = PrepareRequest(
      node: request.node, inputs: request.inputs.map(widened), outputs: request.outputs.map(widened),
      constants: try request.constants.map(widened), isWeight: request.isWeight, threads: request.threads
    )
    let kernel = try base.prepare(widened)
    let layout = Layout(request, kernel, conversion)
    let conversion = conversion
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
          conversion.load(
            type.element, original, operands.sharedScratch + offset, count: type.elementCount)
        }
      }
    }
    let inner = kernel.phases.map { phase in
      Kernel.Phase(pieces: phase.pieces) { operands, piece in
        let own = KernelOperands(
          pointers: UnsafePointer(layout.table(operands)), inputCount: inputCount,
          sharedScratch: operands.sharedScratch + layout.innerScratch, requests: operands.requests,
          threadScratch: operands.threadScratch)
        try phase.body(own, piece)
      }
    }
    let store = Kernel.Phase(pieces: 1) { operands, _ in
      for index in inputCount..<operandTypes.count {
        guard let type = operandTypes[index], let offset = layout.offsets[index],
          let original = operands.pointers[index]
        else { continue }
        conversion.store(
          type.element, operands.sharedScratch + offset, original, count: type.elementCount)
      }
    }
    return Kernel(
      kernel.name + " widened", phases: [load] + inner + [store], sharedScratch: layout.byteCount,
      threadScratch: kernel.threadScratch)
  }

  private func widened(_ type: OperandType?) -> OperandType? {
    guard let type, let target = conversion.target(of: type.element) else { return type }
    return OperandType(element: target, shape: type.shape)
  }

  private func widened(_ tensor: Tensor?) throws -> Tensor? {
    guard let tensor, let target = conversion.target(of: tensor.type) else { return tensor }
    var result = try Tensor(type: target, shape: tensor.shape)
    tensor.withBytes { source in
      result.withMutableBytes { destination in
        guard let from = source.baseAddress, let to = destination.baseAddress else { return }
        conversion.load(tensor.type, from, to, count: tensor.elementCount)
      }
    }
    return result
  }

  /// Places in the shared scratch memory: the table of pointers, the widened operands, the inner kernel's own.
  private struct Layout {
    let offsets: [Int?]
    let innerScratch: Int
    let byteCount: Int

    init(_ request: PrepareRequest, _ kernel: Kernel, _ conversion: OperandConversion) {
      let types = request.inputs + request.outputs
      var end = Self.rounded(types.count * MemoryLayout<UnsafeMutableRawPointer?>.stride)
      offsets = types.map { type in
        guard let type, let target = conversion.target(of: type.element) else { return nil }
        defer { end += Self.rounded(type.elementCount * target.bitWidth / 8) }
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
