import CKernels
import Tensors

/// What of a matrix is not zero, in the layout of one of the sparse kernels.
struct SparseWeight: WeightForm {
  let kind: WeightFormKind
  let density: Double
  let threadScratch: Int
  private let layout: Layout
  private let packed: AlignedBuffer

  /// A kernel and how its weights are packed.
  private struct Layout: Sendable {
    typealias Multiply =
      @convention(c) (UnsafePointer<adze_gemm_sparse_f32>, UnsafeMutablePointer<Float>?, Int, Int, Int, Int)
      -> Void
    typealias Pack =
      @convention(c) (UnsafePointer<Float>, Int, Int, Int, Int, UnsafeMutableRawPointer?) -> Int

    let kernelName: String
    let panelWidth: Int
    let multiply: Multiply
    let pack: Pack

    init?(_ kind: WeightFormKind) {
      let table = Kernels.current
      panelWidth = Int(kind == .sparsePanel ? ADZE_SPARSE_BLOCK : ADZE_SPARSE_PANEL)
      switch kind {
      case .dense: return nil
      case .sparse:
        kernelName = "gemm_sparse_f32"
        (multiply, pack) = (table.gemm_sparse_f32, table.pack_b_sparse_f32)
      case .sparseColumns:
        kernelName = "gemm_sparse_columns_f32"
        (multiply, pack) = (table.gemm_sparse_columns_f32, table.pack_b_sparse_columns_f32)
      case .sparseQuads:
        kernelName = "gemm_sparse_quads_f32"
        (multiply, pack) = (table.gemm_sparse_quads_f32, table.pack_b_sparse_quads_f32)
      case .sparsePanel:
        kernelName = "gemm_sparse_panel_f32"
        (multiply, pack) = (table.gemm_sparse_panel_f32, table.pack_b_sparse_panel_f32)
      case .twoOfFour:
        kernelName = "gemm_2of4_f32"
        (multiply, pack) = (table.gemm_2of4_f32, table.pack_b_2of4_f32)
      }
    }
  }

  /// - Parameter density: the share of the matrix that this form stores.
  /// - Returns: nil for a form that is not sparse, a matrix too large for one, or one that is not 2:4 where that is asked for.
  init?(_ kind: WeightFormKind, _ matrix: WeightMatrix, density: Double) throws {
    guard let layout = Layout(kind), matrix.fitsSparseForms else { return nil }
    let packed = try matrix.tensor.withUnalignedBytes { bytes throws -> AlignedBuffer? in
      // Packing reads elements wherever they lie.
      guard let elements = bytes.baseAddress?.assumingMemoryBound(to: Float.self) else { return nil }
      return try SparsePacking.packed {
        layout.pack(elements, matrix.kStride, matrix.nStride, matrix.depth, matrix.columns, $0)
      }
    }
    guard let packed else { return nil }
    self.kind = kind
    self.layout = layout
    self.packed = packed
    self.density = density
    threadScratch =
      kind == .sparse || kind == .sparseQuads ? SparsePacking.threadScratch(depth: matrix.depth) : 0
  }

  var kernelName: String { SparsePacking.name(layout.kernelName, density: density) }
  var byteCount: Int { packed.count }
  var panelWidth: Int { layout.panelWidth }
  var rowTile: Int { Kernels.current.gemm_sparse_rows }

  func multiply(
    _ operands: FloatProductOperands, rows: Range<Int>, panels: Range<Int>, scratch: UnsafeMutableRawPointer
  ) {
    var gemm = adze_gemm_sparse_f32(
      m: operands.rows, n: operands.columns, k: operands.depth, a: operands.a,
      a_row_stride: operands.aRowStride,
      b_packed: packed.bytes.baseAddress!, c: operands.c, c_row_stride: operands.cRowStride,
      epilogue: operands.epilogue)
    layout.multiply(
      &gemm, scratch.assumingMemoryBound(to: Float.self), rows.lowerBound, rows.upperBound,
      panels.lowerBound, panels.upperBound)
  }
}
