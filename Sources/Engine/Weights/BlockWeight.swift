import CKernels
import Tensors

/// A constant matrix of 2, 4 or 8 bits of which blocks of a column share a scale and a zero point, in the panels of
/// `gemm_block_f32` and `gemm_block_i8`.
struct BlockWeight {
  static let blockSizes = [16, 32, 64, 128, 256]

  let depth: Int
  let columns: Int
  let bits: Int
  let block: Int
  /// False: they are all the middle of the range.
  let hasZeroPoints: Bool
  /// Rows of A are quantized to int8, block by block.
  let quantizesRows: Bool

  var panels: Int { (columns - 1) / Kernels.current.gemm_f32_panel + 1 }

  var kernelName: String {
    Kernels.name(quantizesRows ? "gemm_block_i8" : "gemm_block_f32") + " \(bits) bit"
  }

  /// - Parameters:
  ///   - codes: `[columns, blocks, block * bits / 8]`, lowest bits first.
  ///   - scales: `[columns, blocks]`.
  ///   - zeroPoints: `[columns, (blocks * bits + 7) / 8]`, lowest bits first.
  func pack(_ codes: Tensor, _ scales: Tensor, _ zeroPoints: Tensor?) throws -> AlignedBuffer {
    let (size, overflow) = (depth + 256).multipliedReportingOverflow(by: columns + 256)
    if overflow || size > Int.max / 8 { throw OperatorFailure.invalid("the weight has too many elements") }
    let packed = try AlignedBuffer(
      byteCount: adze_gemm_block_packed_bytes(Kernels.table, depth, columns, Int32(bits), Int32(block)))
    var sizes = gemm(rows: 0, packed)
    codes.withUnalignedBytes { codes in
      scales.withElements(Float.self) { scales in
        guard let codes = codes.baseAddress?.assumingMemoryBound(to: UInt8.self),
          let scales = scales.baseAddress
        else { return }
        let zeros = zeroPoints?.buffer.map { UnsafePointer($0.bytes.bindMemory(to: UInt8.self).baseAddress!) }
        Kernels.current.pack_b_block(&sizes, codes, scales, zeros, packed.bytes.baseAddress!, 0, panels)
      }
    }
    withExtendedLifetime(zeroPoints) {}
    return packed
  }

  private func gemm(rows: Int, _ packed: AlignedBuffer) -> adze_gemm_block {
    // The operands are set by each run; until then they are places that nobody reads.
    let unset = packed.bytes.baseAddress!.assumingMemoryBound(to: Float.self)
    return adze_gemm_block(
      m: rows, n: columns, k: depth, bits: Int32(bits), block: Int32(block), a: unset, a_row_stride: depth,
      b_packed: packed.bytes.baseAddress!, has_zero_points: hasZeroPoints, c: unset, c_row_stride: columns,
      epilogue: .none)
  }

  /// The product with rows of input 0; `bias` is an input with one value for each column.
  func kernel(_ packed: AlignedBuffer, rows: Int, bias: Int?, activation: Activation?, threads: Int) -> Kernel
  {
    let table = Kernels.current
    let grid = ProductGrid(
      rows: rows, panels: panels, depth: depth, batch: 1, threads: threads, rowTile: table.gemm_f32_rows,
      panelWidth: table.gemm_f32_panel)
    let sizes = gemm(rows: rows, packed)
    let multiply: adze_gemm_block_fn = quantizesRows ? table.gemm_block_i8 : table.gemm_block_f32
    // Codes, scales and zero points are in `packed`.
    var kernel = Kernel(kernelName, pieces: grid.pieces) { operands, piece in
      let tile = grid.tile(piece)
      var gemm = sizes
      gemm.a = operands.input(0)
      gemm.c = operands.output()
      gemm.epilogue = adze_epilogue_f32(activation)
      if let bias { gemm.epilogue.column_bias = operands.input(bias) }
      multiply(
        &gemm, tile.rows.lowerBound, tile.rows.upperBound, tile.panels.lowerBound, tile.panels.upperBound)
      withExtendedLifetime(packed) {}
    }
    kernel.unread = [1, 2, 3]
    return kernel
  }
}
