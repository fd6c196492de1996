import GraphIR
import Tensors

/// One row of the operator table.
struct OperatorEntry: Sendable {
  typealias Factory = @Sendable (OperatorSource) throws -> any ShapedOperator
  typealias DynamicFactory = @Sendable (OperatorSource) throws -> any DynamicOperator

  let op: OperatorName
  /// The input whose element type decides.
  let typedInput: Int
  private let make: @Sendable (OperatorSource) throws -> OperatorImplementation

  /// - Parameters:
  ///   - types: the element types that input `typedInput` may have.
  ///   - widensHalves: float16 and bfloat16 operands are computed as float32 and rounded once at the end.
  ///   - movesPacked: elements that share a byte are moved as one byte each.
  ///   - mixesFloats: operands may have different float types; they are computed in the widest of them.
  init(
    _ op: OperatorName, types: [ElementType], typedInput: Int = 0, widensHalves: Bool = true,
    movesPacked: Bool = false, mixesFloats: Bool = false, make: @escaping Factory
  ) {
    self.op = op
    self.typedInput = typedInput
    self.make = { source in
      if mixesFloats, let wide = source.commonFloat, types.contains(wide) || !types.contains(.float32) {
        return .shaped(WidenedOperator(try make(source.widened(to: wide)), .widens(to: wide)))
      }
      let element = source.element(typedInput) ?? source.outputElement()
      if let element, !types.contains(element) {
        if movesPacked, element.isPacked {
          return .shaped(WidenedOperator(try make(source.unpacked), .unpacks))
        }
        if widensHalves, [ElementType].halves.contains(element), types.contains(.float32) {
          return .shaped(WidenedOperator(try make(source.widened())))
        }
        throw OperatorFailure.type(element)
      }
      return .shaped(try make(source))
    }
  }

  /// An operator that works on owned values.
  /// - Parameter types: the element types that input `typedInput` may have; nil when the rule, or `make`, sees to it.
  init(
    dynamic op: OperatorName, types: [ElementType]? = nil, typedInput: Int = 0, make: @escaping DynamicFactory
  ) {
    self.op = op
    self.typedInput = typedInput
    self.make = { source in
      if let types, let element = source.element(typedInput), !types.contains(element) {
        throw OperatorFailure.type(element)
      }
      return .dynamic(try make(source))
    }
  }

  /// An operator that is one or the other, as the types tell.
  /// - Parameter types: the element types that input 0 may have when it is a tensor; nil when `make` sees to it.
  init(
    either op: OperatorName, types: [ElementType]? = nil,
    make: @escaping @Sendable (OperatorSource) throws -> OperatorImplementation
  ) {
    self.op = op
    typedInput = 0
    self.make = { source in
      if let types, let element = source.element(0), !types.contains(element) {
        throw OperatorFailure.type(element)
      }
      return try make(source)
    }
  }

  func implementation(_ source: OperatorSource) throws -> OperatorImplementation { try make(source) }
}

/// Every operator that the engine computes. A family adds its rows in its own file.
enum EngineTable {
  static let families: [[OperatorEntry]] = [
    linearOperators, convolutionOperators, pixelOperators, quantizedImageOperators, poolingOperators,
    unaryOperators, binaryOperators,
    selectionOperators,
    rowOperators, normalizationOperators, addLayerNormalizationOperators, scaleShiftOperators,
    reductionOperators, movementOperators,
    viewOperators,
    constantOperators,
    castOperators, quantizationOperators, integerProductOperators, integerConvolutionOperators,
    gatherOperators, scatterOperators, padOperators, rearrangeOperators, searchOperators,
    cumulativeOperators, generatorOperators,
    dataDependentOperators, resizeOperators, einsumOperators, dropoutOperators,
    detectionOperators, samplingOperators, imageOperators, stringOperators,
    lossOperators, recurrentOperators, attentionOperators, stateOperators, fourierOperators, windowOperators,
    randomOperators,
    bitCastOperators,
    sequenceOperators, controlFlowOperators, identityOperators,
    classicalOperators, optimizerOperators, contribOperators,
  ]

  private static let entries: [OperatorName: OperatorEntry] = {
    var entries: [OperatorName: OperatorEntry] = [:]
    for entry in families.joined() {
      precondition(entries.updateValue(entry, forKey: entry.op) == nil, "\(entry.op) is in the table twice")
    }
    return entries
  }()

  static func entry(for op: OperatorName) -> OperatorEntry? { entries[op] }

  /// Every operator of the table, sorted by name.
  static var all: [OperatorName] { entries.keys.sorted { $0.description < $1.description } }
}
