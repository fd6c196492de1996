import CKernels
import GraphIR
import Tensors

/// Scales and zero points of an integer product, as inputs of a node, made ready for the kernel in each run:
/// widened, combined, at fixed places of the shared scratch memory.
struct IntegerParameters {
  /// An input of the node that holds one value for all, or one for each row or column.
  struct Source {
    let input: Int
    let type: OperandType

    var count: Int { type.elementCount }
  }

  var aZeroPoint: Source?
  var bZeroPoint: Source?
  var aScale: Source?
  var bScale: Source?
  var cScale: Source?
  var cZeroPoint: Source?

  /// Bytes at the start of the shared scratch memory.
  var byteCount: Int { 64 + 4 * [aZeroPoint, bZeroPoint, aScale, bScale].reduce(0) { $0 + ($1?.count ?? 0) } + 64 }

  private var places: (aZeroPoint: Int, bZeroPoint: Int, aScale: Int, bScale: Int) {
    let second = aZeroPoint?.count ?? 0
    let third = second + (bZeroPoint?.count ?? 0)
    return (0, second, third, third + (aScale?.count ?? 0))
  }

  /// Fills the places. A's scale is divided by C's, so that the product of scales is in units of C.
  func prologue() throws -> Kernel.Phase {
    let aReader = try aZeroPoint.map { try QuantizedElements($0.type.element) }
    let bReader = try bZeroPoint.map { try QuantizedElements($0.type.element) }
    let places = places
    let parameters = self
    return Kernel.Phase(pieces: 1) { operands, _ in
      let integers = operands.sharedScratch.assumingMemoryBound(to: Int32.self)
      let floats = operands.sharedScratch.assumingMemoryBound(to: Float.self)
      if let source = parameters.aZeroPoint, let aReader {
        for index in 0..<source.count {
          integers[places.aZeroPoint + index] = aReader.read(operands.rawInput(source.input), index)
        }
      }
      if let source = parameters.bZeroPoint, let bReader {
        for index in 0..<source.count {
          integers[places.bZeroPoint + index] = bReader.read(operands.rawInput(source.input), index)
        }
      }
      let divisor = parameters.cScale.map { operands.input($0.input, as: Float.self)[0] } ?? 1
      if let source = parameters.aScale {
        let scale: UnsafePointer<Float> = operands.input(source.input)
        for index in 0..<source.count { floats[places.aScale + index] = scale[index] / divisor }
      }
      if let source = parameters.bScale {
        let scale: UnsafePointer<Float> = operands.input(source.input)
        for index in 0..<source.count { floats[places.bScale + index] = scale[index] }
      }
    }
  }

  /// Points `gemm` to the places. `rowOffset` is the first row's place in per-row values (grouped convolution).
  func apply(to gemm: inout adze_gemm_i8, _ operands: KernelOperands, rowOffset: Int = 0) {
    let places = places
    let integers = UnsafePointer(operands.sharedScratch.assumingMemoryBound(to: Int32.self))
    let floats = UnsafePointer(operands.sharedScratch.assumingMemoryBound(to: Float.self))
    func first(_ source: Source) -> Int { source.count > 1 ? rowOffset : 0 }
    if let source = aZeroPoint {
      gemm.a_zero_point = integers + places.aZeroPoint + first(source)
      gemm.a_zero_point_stride = source.count > 1 ? 1 : 0
    }
    if let source = bZeroPoint {
      gemm.b_zero_point = integers + places.bZeroPoint
      gemm.b_zero_point_stride = source.count > 1 ? 1 : 0
    }
    if let source = aScale {
      gemm.a_scale = floats + places.aScale + first(source)
      gemm.a_scale_stride = source.count > 1 ? 1 : 0
    }
    if let source = bScale {
      gemm.b_scale = floats + places.bScale
      gemm.b_scale_stride = source.count > 1 ? 1 : 0
    }
    if let source = cZeroPoint {
      let bytes = operands.rawInput(source.input)
      gemm.c_zero_point =
        source.type.element == .int8 ? Int32(bytes.load(as: Int8.self)) : Int32(bytes.load(as: UInt8.self))
    }
  }
}

extension adze_gemm_i8 {
  /// A product without zero points, scales and epilogue; operands are still to be set.
  init(rows: Int, columns: Int, depth: Int, aSigned: Bool, bSigned: Bool, a: UnsafeRawPointer, b: UnsafeRawPointer, c: UnsafeMutableRawPointer, output: adze_i8_output) {
    self.init(
      m: rows, n: columns, k: depth, a: a, a_signed: aSigned, a_row_stride: depth, a_column_stride: 1,
      a_zero_point: nil, a_zero_point_stride: 0, b_packed: b, b_signed: bSigned, b_zero_point: nil,
      b_zero_point_stride: 0, output: output, c: c, c_row_stride: columns, a_scale: nil, a_scale_stride: 0,
      b_scale: nil, b_scale_stride: 0, epilogue: .none, c_zero_point: 0)
  }
}
