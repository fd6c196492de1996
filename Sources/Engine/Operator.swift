import GraphIR
import Tensors

/// Type and shape of an operand whose elements come at run time.
struct OperandType: Sendable, Hashable {
  let element: ElementType
  let shape: Shape

  var elementCount: Int { shape.elementCount }
  var byteCount: Int { element.byteCount(elements: shape.elementCount) ?? 0 }
}

/// An operator of one node: attributes decoded, nothing known about shapes yet. Shared by all sessions.
///
/// Operators whose output shapes follow from input shapes (and constant inputs) conform to this. The others
/// (NonZero, sequences, strings …) conform to `DynamicOperator`.
protocol ShapedOperator: Sendable {
  /// Chooses the computation for these shapes. Everything that can be decided or computed before the run
  /// is done here; what the kernel captures must not change afterwards.
  /// - Throws: `OperatorFailure`, `GraphError` or `TensorError`; after `OperatorFailure.notKnown` the node runs as
  ///   a dynamic step.
  func prepare(_ request: PrepareRequest) throws -> Kernel

  /// Inputs in whose memory output 0 may be computed when the input has the same size and is not read
  /// later. Only for kernels that read each element before they write it, at the same place.
  var inPlaceInputs: [Int] { get }

  /// True when output 0 is input 0 under another shape: no kernel runs then.
  var isView: Bool { get }

  /// Whether output 0 may be written with its pixels (all but the last axis) further apart than they are long.
  var writesPixels: Bool { get }

  /// The same for reading an input.
  func readsPixels(_ input: Int) -> Bool

  /// The outputs when they follow from the inputs' types alone (`Shape`, `Size`).
  func outputsFromTypes(_ inputs: [OperandType?]) throws -> [Tensor]?
}

extension ShapedOperator {
  var inPlaceInputs: [Int] { [] }
  var isView: Bool { false }
  var writesPixels: Bool { false }
  func readsPixels(_ input: Int) -> Bool { false }
  func outputsFromTypes(_ inputs: [OperandType?]) throws -> [Tensor]? { nil }
}

/// An operator that runs on owned values because the shapes of its outputs, or even what they are, depend
/// on the elements of its inputs.
protocol DynamicOperator: Sendable {
  /// - Parameter inputs: one for each input of the node; nil for an omitted one.
  /// - Returns: one value for each output of the node.
  /// - Throws: `OperatorFailure`, `GraphError` or `TensorError`.
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue]
}

/// What a dynamic operator may use besides its inputs.
struct DynamicContext {
  let team: ThreadTeam
  /// The most bytes that one tensor may take.
  let memoryLimit: Int
  /// For operators with sub-graphs.
  var bodies = BodySessions()
  /// Asked between the nodes of sub-graphs; true ends the run.
  var isCancelled: (() -> Bool)?
}

/// How a node computes.
enum OperatorImplementation: Sendable {
  case shaped(any ShapedOperator)
  case dynamic(any DynamicOperator)
}

/// Elements from one pixel to the next, of each input and of output 0; nil: as many as a pixel has.
struct PixelStrides {
  var inputs: [Int?] = []
  var output: Int?

  func input(_ index: Int) -> Int? { index < inputs.count ? inputs[index] : nil }
}

/// What `ShapedOperator.prepare` is told.
struct PrepareRequest {
  let node: Node
  /// nil: omitted.
  let inputs: [OperandType?]
  let outputs: [OperandType?]
  /// Elements of the inputs that are known before the run.
  let constants: [Tensor?]
  /// Which of the constants are weights of the model: the same in every plan, so worth packing once.
  let isWeight: [Bool]
  /// The number of threads that will run the kernel.
  let threads: Int
  /// Elements from one pixel to the next of operands that are part of a wider tensor (`PixelParts`).
  var pixelStrides = PixelStrides()

  /// Type and shape of a required input.
  func input(_ index: Int) throws(OperatorFailure) -> OperandType {
    guard index < inputs.count, let type = inputs[index] else { throw .invalid("input \(index) is missing") }
    return type
  }

  /// Type and shape of an optional input.
  func optionalInput(_ index: Int) -> OperandType? { index < inputs.count ? inputs[index] : nil }

  func hasInput(_ index: Int) -> Bool { optionalInput(index) != nil }
  func hasOutput(_ index: Int) -> Bool { index < outputs.count && outputs[index] != nil }

  func output(_ index: Int = 0) throws(OperatorFailure) -> OperandType {
    guard index < outputs.count, let type = outputs[index] else {
      throw .invalid("output \(index) is missing")
    }
    return type
  }

  func constant(_ index: Int) -> Tensor? { index < constants.count ? constants[index] : nil }

  /// The elements of input `index` when it is a weight of the model.
  func weight(_ index: Int) -> Tensor? {
    index < constants.count && isWeight[index] ? constants[index] : nil
  }

  /// All elements of an int32 or int64 input.
  /// - Throws: `.notKnown` when only the run tells them.
  func integers(_ index: Int) throws(OperatorFailure) -> [Int] {
    guard let tensor = constant(index) else { throw .notKnown(input: index) }
    switch tensor.type {
    case .int64: return tensor.array(of: Int.self)
    case .int32: return tensor.array(of: Int32.self).map(Int.init)
    default: throw .type(tensor.type)
    }
  }
}
