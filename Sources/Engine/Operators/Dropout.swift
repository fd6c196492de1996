import GraphIR
import Tensors

extension EngineTable {
  static let dropoutOperators: [OperatorEntry] = [
    OperatorEntry("Dropout", types: .byteSized, widensHalves: false) { try DropoutOperator($0) }
  ]
}

/// `Dropout`: outside training the input as it is and a mask that keeps everything; in training a random part of
/// the elements becomes 0 and all others grow by as much.
///
/// With a seed the mask is what ONNX's reference implementation gives: numpy's `RandomState(seed)` draws one
/// uniform number for each element, and those below the ratio go.
struct DropoutOperator: ShapedOperator {
  private static let defaultRatio = 0.5
  private let seed: UInt32?
  private let access: ElementAccess?
  private let ratio: ElementAccess?

  init(_ source: OperatorSource) throws {
    seed = try source.node.optionalInt("seed").map { UInt32(truncatingIfNeeded: $0) }
    let element = try source.element(0, in: .byteSized)
    access = try element.isFloatingPoint ? ElementAccess(element) : nil
    ratio = try source.element(1).map { try ElementAccess($0) }
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output()
    let (bytes, count) = (output.byteCount, output.elementCount)
    let hasMask = request.hasOutput(1)
    let mayTrain = request.hasInput(2) && request.constant(2)?.array(of: Bool.self) != [false]
    if mayTrain && access == nil { throw OperatorFailure.type(output.element) }
    let hasRatio = request.hasInput(1)
    let training = Kernel.Phase(pieces: 1) { operands, _ in
      let ratio = hasRatio ? ratio?.read(operands.rawInput(1), 0) ?? 0 : Self.defaultRatio
      if mayTrain && operands.input(2, as: Bool.self)[0] && ratio != 0, let access {
        guard ratio > 0 && ratio < 1 else {
          throw OperatorFailure.invalid("the ratio is \(ratio), not at least 0 and less than 1")
        }
        drop(access, ratio, count, operands, hasMask: hasMask)
      } else {
        operands.rawOutput().copyMemory(from: operands.rawInput(0), byteCount: bytes)
        if hasMask { operands.output(1, as: Bool.self).update(repeating: true, count: count) }
      }
    }
    return Kernel("dropout", phases: [training], sharedScratch: mayTrain ? MersenneTwister.stateBytes : 0)
  }

  private func drop(
    _ access: ElementAccess, _ ratio: Double, _ count: Int, _ operands: KernelOperands, hasMask: Bool
  ) {
    var generator = MersenneTwister(state: operands.sharedScratch, seed: seed)
    let scale = 1 / (1 - ratio)
    for index in 0..<count {
      let isKept = generator.fraction() >= ratio
      access.write(
        operands.rawOutput(), index, isKept ? access.read(operands.rawInput(0), index) * scale : 0)
      if hasMask { operands.output(1, as: Bool.self)[index] = isKept }
    }
  }
}
