import CKernels
import GraphIR
import Tensors

/// `com.microsoft.DynamicQuantizeLSTM`: an LSTM with 8-bit weights, whose inputs, all together, and whose states, in
/// each step, are rounded to the 255 steps between their smallest and their largest element.
///
/// The products are those of the integers times the scales; they are computed in float32, on weights that are
/// dequantized once.
struct DynamicQuantizedLSTM: ShapedOperator {
  // X, W, R, B, sequence_lens, initial_h, initial_c, P, W_scale, W_zero_point, R_scale, R_zero_point
  private enum Input {
    static let (x, w, r, wScale, wZeroPoint, rScale, rZeroPoint) = (0, 1, 2, 8, 9, 10, 11)
  }

  private let base: RecurrentOperator

  init(_ source: OperatorSource) throws {
    var base = try RecurrentOperator(
      source, .lstm(couplesForget: try source.node.flag("input_forget")))
    base.quantizesState = true
    self.base = base
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let w = try weight(request, Input.w, scale: Input.wScale, zeroPoint: Input.wZeroPoint)
    let r = try weight(request, Input.r, scale: Input.rScale, zeroPoint: Input.rZeroPoint)
    var inputs = Array(request.inputs.prefix(8))
    var constants = Array(request.constants.prefix(8))
    var isWeight = Array(request.isWeight.prefix(8))
    for (input, tensor) in [(Input.w, w), (Input.r, r)] {
      inputs[input] = OperandType(element: .float32, shape: tensor.shape)
      constants[input] = tensor
      isWeight[input] = true
    }
    let kernel = try base.prepare(
      PrepareRequest(
        node: request.node, inputs: inputs, outputs: request.outputs, constants: constants,
        isWeight: isWeight, threads: request.threads))
    if kernel.phases.isEmpty { return kernel }
    return Kernel(
      Kernels.name("recurrent_i8_dynamic"),
      phases: try Redirection(request, kernel).phases(of: kernel),
      sharedScratch: try Redirection(request, kernel).byteCount, threadScratch: kernel.threadScratch)
  }

  /// `[directions, from, gates]` of 8 bits as `[directions, gates, from]` in float32.
  private func weight(_ request: PrepareRequest, _ input: Int, scale: Int, zeroPoint: Int) throws -> Tensor {
    guard let codes = request.constant(input), let scales = request.constant(scale),
      let zeroPoints = request.constant(zeroPoint)
    else { throw OperatorFailure.unsupported("its weights must be constants") }
    let (directions, rows, columns) = (codes.shape[0], codes.shape[1], codes.shape[2])
    let isPerColumn = scales.elementCount > directions
    let factors = scales.array(of: Float.self)
    func numbers(_ tensor: Tensor) -> [Int] {
      tensor.type == .int8
        ? tensor.array(of: Int8.self).map(Int.init) : tensor.array(of: UInt8.self).map(Int.init)
    }
    let (values, zeros) = (numbers(codes), numbers(zeroPoints))
    if zeros.count != factors.count {
      throw OperatorFailure.invalid("scales and zero points differ in number")
    }
    var result = try Tensor(type: .float32, shape: [directions, columns, rows])
    result.withMutableElements(Float.self) { target in
      for direction in 0..<directions {
        for column in 0..<columns {
          let parameter = isPerColumn ? direction * columns + column : direction
          for row in 0..<rows {
            let code = values[(direction * rows + row) * columns + column]
            target[(direction * columns + column) * rows + row] =
              Float(code - zeros[parameter]) * factors[parameter]
          }
        }
      }
    }
    return result
  }

  /// Lets a kernel read rounded inputs from the shared scratch memory, behind its own, in place of input 0.
  private struct Redirection {
    let kernel: Kernel
    let operandCount: Int
    let outputCount: Int
    let elements: Int
    let table: Int
    let rounded: Int
    let byteCount: Int

    init(_ request: PrepareRequest, _ kernel: Kernel) throws {
      self.kernel = kernel
      operandCount = request.inputs.count
      outputCount = request.outputs.count
      elements = try request.input(Input.x).elementCount
      var layout = ScratchLayout()
      _ = try layout.add(floats: (kernel.sharedScratch + 3) / 4)
      // A pointer takes two floats.
      table = try layout.add(floats: 2 * (8 + request.outputs.count))
      rounded = try layout.add(floats: elements)
      byteCount = layout.byteCount
    }

    func phases(of kernel: Kernel) -> [Kernel.Phase] {
      let (own, table, rounded, elements, operandCount, outputCount) = (
        8, table, rounded, elements, operandCount, outputCount
      )
      func pointers(_ operands: KernelOperands) -> UnsafeMutablePointer<UnsafeMutableRawPointer?> {
        (operands.sharedScratch + table).assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
      }
      let load = Kernel.Phase(pieces: 1) { operands, _ in
        let target = pointers(operands)
        for index in 0..<own { target[index] = operands.pointers[index] }
        for index in 0..<outputCount { target[own + index] = operands.pointers[operandCount + index] }
        let x = (operands.sharedScratch + rounded).assumingMemoryBound(to: Float.self)
        DynamicRounding.round(operands.input(Input.x), x, count: elements)
        target[Input.x] = UnsafeMutableRawPointer(x)
      }
      return [load]
        + kernel.phases.map { phase in
          Kernel.Phase(pieces: phase.pieces) { operands, piece in
            let redirected = KernelOperands(
              pointers: UnsafePointer(pointers(operands)), inputCount: own,
              sharedScratch: operands.sharedScratch, threadScratch: operands.threadScratch)
            try phase.body(redirected, piece)
          }
        }
    }
  }
}

/// What DynamicQuantizeLinear and then DequantizeLinear make of numbers.
enum DynamicRounding {
  static func round(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int) {
    var (low, high): (Float, Float) = (0, 0)
    Kernels.current.min_max_f32(x, count, &low, &high)
    let range = DynamicRange(minimum: low, maximum: high)
    let zeroPoint = Float(range.zeroPoint)
    for index in 0..<count {
      let code = (x[index] / range.divisor).rounded(.toNearestOrEven) + zeroPoint
      y[index] = (min(255, max(0, code)) - zeroPoint) * range.scale
    }
  }
}
