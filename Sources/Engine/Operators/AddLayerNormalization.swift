import CKernels
import GraphIR
import Tensors

extension EngineTable {
  static let addLayerNormalizationOperators: [OperatorEntry] = [
    OperatorEntry(FusedOperator.addLayerNormalization, types: .single, widensHalves: false) { source in
      AddLayerNormalization(
        axis: try source.node.int("axis", default: -1),
        epsilon: try source.node.float("epsilon", default: 1e-5))
    }
  ]
}

/// `ai.adze.AddLayerNormalization`: a row's sum is normalized while it is in the first cache.
struct AddLayerNormalization: ShapedOperator {
  let axis: Int
  let epsilon: Float

  var inPlaceInputs: [Int] { [0, 1] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    guard let axis = input.axis(axis), try request.input(1).shape == input else {
      throw OperatorFailure.invalid("cannot normalize the sum of \(input) and \(try request.input(1).shape)")
    }
    let rows = input.product(0..<axis)
    let size = input.product(axis..<input.rank)
    if rows * size == 0 { return .nothing }
    let (hasBias, givesSum) = (request.hasInput(3), request.hasOutput(1))
    let epsilon = epsilon
    let table = Kernels.table
    return Kernel(
      Kernels.name("add_layer_norm"), units: rows, costPerUnit: size, threads: request.threads
    ) { operands, range in
      for row in range {
        let y: UnsafeMutablePointer<Float> = operands.output() + row * size
        let sum = givesSum ? operands.output(1) + row * size : y
        table.pointee.add_f32(
          1, size, operands.input(0) + row * size, 0, 1, operands.input(1) + row * size, 0, 1, sum, 0)
        table.pointee.layer_norm_f32(
          sum, operands.input(2), hasBias ? operands.input(3) : nil, y, size, epsilon, nil, nil)
      }
    }
  }
}
