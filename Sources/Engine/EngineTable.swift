import GraphIR
import Tensors

/// One row of the operator table.
struct OperatorEntry: Sendable {
  typealias Factory = @Sendable (OperatorSource) throws -> any ShapedOperator
  typealias DynamicFactory = @Sendable (OperatorSource) throws -> any DynamicOperator

  let op: OperatorName
  private let make: @Sendable (OperatorSource) throws -> OperatorImplementation

  /// - Parameters:
  ///   - types: the element types that input `typedInput` may have.
  ///   - widensHalves: float16 and bfloat16 operands are computed as float32 and rounded once at the end.
  init(
    _ op: OperatorName, types: [ElementType], typedInput: Int = 0, widensHalves: Bool = true,
    make: @escaping Factory
  ) {
    self.op = op
    self.make = { source in
      let element = source.element(typedInput) ?? source.outputElement()
      if let element, !types.contains(element) {
        if widensHalves, [ElementType].halves.contains(element), types.contains(.float32) {
          return .shaped(WidenedOperator(try make(source.widened)))
        }
        throw OperatorFailure.type(element)
      }
      return .shaped(try make(source))
    }
  }

  /// An operator that works on owned values.
  init(dynamic op: OperatorName, make: @escaping DynamicFactory) {
    self.op = op
    self.make = { .dynamic(try make($0)) }
  }

  /// An operator that is one or the other, as the types tell.
  init(either op: OperatorName, make: @escaping @Sendable (OperatorSource) throws -> OperatorImplementation) {
    self.op = op
    self.make = make
  }

  func implementation(_ source: OperatorSource) throws -> OperatorImplementation { try make(source) }
}

/// Every operator that the engine computes. A family adds its rows in its own file.
enum EngineTable {
  static let families: [[OperatorEntry]] = [
    linearOperators, convolutionOperators, poolingOperators, unaryOperators, binaryOperators,
    selectionOperators,
    rowOperators, normalizationOperators, scaleShiftOperators, reductionOperators, movementOperators, viewOperators,
    constantOperators,
    castOperators, quantizationOperators, integerProductOperators, integerConvolutionOperators,
    gatherOperators, scatterOperators, padOperators, rearrangeOperators, searchOperators, generatorOperators,
    dataDependentOperators, resizeOperators, einsumOperators, dropoutOperators,
    detectionOperators, samplingOperators, stringOperators,
    lossOperators, recurrentOperators, attentionOperators, fourierOperators, windowOperators, randomOperators,
    bitCastOperators,
    sequenceOperators, controlFlowOperators, identityOperators,
    classicalOperators, optimizerOperators,
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
