import GraphIR
import Tensors

/// Where a value lies during a run.
enum Place {
  case arena(offset: Int, OperandType)
  case constant(Tensor)
  /// Owned by the session, as the shape (or the kind of value) is known only at run time.
  case dynamic(ValueID)
}

/// A node whose operands all have fixed places.
struct KernelStep {
  let node: Int
  let kernel: Kernel
  /// Where the node's operands begin in the plan's table of pointers.
  let firstPointer: Int
  let inputCount: Int
  let scratchOffset: Int
}

/// A node that runs on owned values.
struct DynamicStep {
  let node: Int
  /// nil: omitted.
  let inputs: [Place?]
  let isWeight: [Bool]
}

enum Step {
  case kernel(KernelStep)
  case dynamic(DynamicStep)
}

/// All that is decided for one list of input shapes. Confined to the session that made it.
final class Plan {
  let shapes: [Shape]
  let steps: [Step]
  let inputs: [Place]
  let outputs: [Place]
  let arenaBytes: Int
  /// Set when the rows are computed one by one: there are no steps then.
  let rows: RowSplit?

  private let pointers: UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
  /// Which pointers follow the arena, and their offsets in it.
  private let relocations: [(index: Int, offset: Int)]
  /// Tensors that the fixed pointers point into.
  private let constants: [Tensor]
  private var boundBase: UnsafeMutableRawPointer?

  init(_ draft: PlanDraft, shapes: [Shape]) {
    self.shapes = shapes
    rows = nil
    steps = draft.steps
    inputs = draft.inputs
    outputs = draft.outputs
    arenaBytes = draft.arenaBytes
    pointers = .allocate(capacity: max(1, draft.operands.count))
    pointers.initialize(repeating: nil)
    var relocations: [(index: Int, offset: Int)] = []
    var constants: [Tensor] = []
    for (index, place) in draft.operands.enumerated() {
      switch place {
      case .arena(let offset, _)?: relocations.append((index, offset))
      case .constant(let tensor)?:
        // Kernels only read through the pointers of their inputs.
        pointers[index] = tensor.buffer?.bytes.baseAddress
        constants.append(tensor)
      case .dynamic?, nil: break
      }
    }
    self.relocations = relocations
    self.constants = constants
  }

  /// A plan that holds the inputs and outputs of all rows.
  /// - Throws: `EngineError.memoryLimit`.
  init(_ rows: RowSplit, shapes: [Shape], limit: Int) throws(EngineError) {
    var types: [OperandType] = []
    for type in rows.inputs + rows.outputs {
      types.append(
        OperandType(element: type.element, shape: Shape([rows.count] + type.shape.dimensions.dropFirst())))
    }
    let layout = try ArenaLayout(types.map { Lifetime(bytes: $0.byteCount, first: 0, last: 0) }, limit: limit)
    let places = zip(layout.offsets, types).map { Place.arena(offset: $0, $1) }
    self.shapes = shapes
    self.rows = rows
    steps = []
    inputs = Array(places.prefix(rows.inputs.count))
    outputs = Array(places.dropFirst(rows.inputs.count))
    arenaBytes = layout.byteCount
    pointers = .allocate(capacity: 0)
    relocations = []
    constants = []
  }

  deinit { pointers.deallocate() }

  /// Makes the plan's pointers point into the arena at `base`.
  func bind(_ base: UnsafeMutableRawPointer) {
    if boundBase == base { return }
    for relocation in relocations { pointers[relocation.index] = base + relocation.offset }
    boundBase = base
  }

  func operands(of step: KernelStep) -> UnsafePointer<UnsafeMutableRawPointer?> {
    UnsafePointer(pointers.baseAddress! + step.firstPointer)
  }
}
