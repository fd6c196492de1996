import CKernels
import Tensors

/// The forms that a constant matrix can take in a product; of 8-bit ones the first three.
public enum WeightFormKind: String, Sendable, Hashable, CaseIterable {
  /// Every element.
  case dense
  /// The elements that are not zero, wherever they lie; fast for many rows.
  case sparse
  /// The same in a layout that is fast for few rows.
  case sparseColumns
  /// Blocks of one row and 4 columns that are not all zero.
  case sparseQuads
  /// Blocks of one row and 16 columns that are not all zero.
  case sparsePanel
  /// Two of every four elements of a column (2:4), where no more are not zero.
  case twoOfFour
}

/// A constant float32 matrix, packed for one kernel.
protocol WeightForm: Sendable {
  var kind: WeightFormKind { get }
  /// The kernel that multiplies it, for profiles.
  var kernelName: String { get }
  var byteCount: Int { get }
  /// The share of the products that are computed.
  var density: Double { get }
  var panelWidth: Int { get }
  /// Splits of rows at its multiples are fastest.
  var rowTile: Int { get }
  /// Bytes that each thread needs for itself.
  var threadScratch: Int { get }

  /// Computes a part of the result. Every split gives the same bits.
  func multiply(
    _ operands: FloatProductOperands, rows: Range<Int>, panels: Range<Int>, scratch: UnsafeMutableRawPointer)
}

/// C[rows, columns] = epilogue(A[rows, depth] · weight).
struct FloatProductOperands {
  let rows: Int
  let columns: Int
  let depth: Int
  let a: UnsafePointer<Float>
  let aRowStride: Int
  let c: UnsafeMutablePointer<Float>
  let cRowStride: Int
  let epilogue: adze_epilogue_f32
}

/// A constant float32 matrix as the model has it: element (k, n) at `k * kStride + n * nStride`.
struct WeightMatrix {
  let tensor: Tensor
  let depth: Int
  let columns: Int
  let kStride: Int
  let nStride: Int

  var fitsSparseForms: Bool { SparsePacking.fits(depth: depth, columns: columns) }

  /// The matrix's elements times `factor`.
  func scaled(by factor: Float) throws -> WeightMatrix {
    if factor == 1 { return self }
    return WeightMatrix(
      tensor: try tensor.scaled(by: factor), depth: depth, columns: columns, kStride: kStride,
      nStride: nStride)
  }
}
