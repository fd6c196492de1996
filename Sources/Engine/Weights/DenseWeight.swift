import CKernels
import Tensors

/// All elements of a matrix in the panels of `gemm_f32`.
struct DenseWeight: WeightForm {
  let packed: AlignedBuffer
  let kind = WeightFormKind.dense
  let density = 1.0
  let threadScratch = 0
  var kernelName: String { Kernels.name("gemm_f32") }
  var byteCount: Int { packed.count }
  var panelWidth: Int { Kernels.current.gemm_f32_panel }
  var rowTile: Int { Kernels.current.gemm_f32_rows }

  func multiply(
    _ operands: FloatProductOperands, rows: Range<Int>, panels: Range<Int>, scratch: UnsafeMutableRawPointer
  ) {
    var gemm = adze_gemm_f32(
      m: operands.rows, n: operands.columns, k: operands.depth, a: operands.a,
      a_row_stride: operands.aRowStride, a_column_stride: 1,
      b_packed: packed.bytes.baseAddress!.assumingMemoryBound(to: Float.self), c: operands.c,
      c_row_stride: operands.cRowStride, accumulates: false, epilogue: operands.epilogue)
    Kernels.current.gemm_f32(&gemm, rows.lowerBound, rows.upperBound, panels.lowerBound, panels.upperBound)
  }
}
