import CKernels
import GraphIR
import Tensors

extension EngineTable {
  static let scaleShiftOperators: [OperatorEntry] = [
    OperatorEntry(FusedOperator.scaleShift, types: .single, widensHalves: false) { source in
      ScaleShiftOperator(activation: try Activation(fusedInto: source.node))
    }
  ]
}

/// `ai.adze.ScaleShift`: one scale and one shift for each channel of `[batch, channels, …]`, and an activation.
struct ScaleShiftOperator: ShapedOperator {
  /// Elements that stay in the first cache between the steps.
  private static let blockSize = 2048

  let activation: Activation?

  var inPlaceInputs: [Int] { [0] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    if input.elementCount == 0 { return .nothing }
    let size = input.product(2..<input.rank)
    return size == 1
      ? rows(input[0], channels: input[1], request.threads)
      : planes(input[0] * input[1], channels: input[1], size: size, request.threads)
  }

  private func planes(_ count: Int, channels: Int, size: Int, _ threads: Int) -> Kernel {
    let (table, activation) = (Kernels.current, activation)
    return Kernel(Kernels.name("scale_shift"), units: count, costPerUnit: size, threads: threads) {
      operands, range in
      let scale: UnsafePointer<Float> = operands.input(1)
      let shift: UnsafePointer<Float> = operands.input(2)
      for plane in range {
        let channel = plane % channels
        for start in stride(from: 0, to: size, by: Self.blockSize) {
          let count = min(Self.blockSize, size - start)
          let x = operands.input(0, as: Float.self) + plane * size + start
          let y = operands.output(0, as: Float.self) + plane * size + start
          table.affine_f32(x, y, count, scale[channel], shift[channel])
          activation?.apply(y, y, count: count)
        }
      }
    }
  }

  private func rows(_ count: Int, channels: Int, _ threads: Int) -> Kernel {
    let (table, activation) = (Kernels.current, activation)
    return Kernel(Kernels.name("scale_shift"), units: count, costPerUnit: channels, threads: threads) {
      operands, range in
      for row in range {
        let x = operands.input(0, as: Float.self) + row * channels
        let y = operands.output(0, as: Float.self) + row * channels
        table.mul_f32(1, channels, x, 0, 1, operands.input(1), 0, 1, y, 0)
        table.add_f32(1, channels, y, 0, 1, operands.input(2), 0, 1, y, 0)
        activation?.apply(y, y, count: channels)
      }
    }
  }
}
