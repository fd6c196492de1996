import CKernels
import Tensors

/// What the sparse forms of float32 and 8-bit matrices share.
enum SparsePacking {
  /// What the pack functions ask for: 16 (k + 64) (n + 64) is a number.
  static func fits(depth: Int, columns: Int) -> Bool {
    let (product, overflow) = (depth + 64).multipliedReportingOverflow(by: columns + 64)
    return !overflow && product < Int.max / 16
  }

  /// What `pack` writes. Without a destination it only says how many bytes that are: 0 for a matrix that it does not take.
  static func packed(_ pack: (UnsafeMutableRawPointer?) -> Int) throws -> AlignedBuffer? {
    let size = pack(nil)
    if size == 0 { return nil }
    let buffer = try AlignedBuffer(byteCount: size)
    _ = pack(buffer.bytes.baseAddress)
    return buffer
  }

  /// Bytes that each thread needs where a kernel turns the rows of A.
  static func threadScratch(depth: Int) -> Int {
    adze_gemm_sparse_scratch_count(Kernels.table, depth) * MemoryLayout<Float>.stride
  }

  /// For profiles: the kernel, and the share of the matrix that it stores.
  static func name(_ kernel: String, density: Double) -> String {
    Kernels.name(kernel) + " \(Int((density * 100).rounded())) %"
  }
}
