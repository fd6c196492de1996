import CKernels
import Tensors

/// A product of a matrix with weights, in every form of the weights.
private struct ProductSize {
  let rows: Int
  let columns: Int
  let depth: Int

  static let all = [
    ProductSize(rows: 1, columns: 1024, depth: 1024), ProductSize(rows: 32, columns: 1024, depth: 1024),
    ProductSize(rows: 128, columns: 768, depth: 768), ProductSize(rows: 128, columns: 3072, depth: 768),
  ]

  var text: String { "\(rows) x \(columns) x \(depth)" }

  /// - Parameter weightBytes: of all weights in this form.
  func work(inputBytes: Int, weightBytes: Int) -> NodeWork {
    NodeWork(
      multiplyAccumulates: rows * columns * depth,
      bytes: rows * depth * inputBytes + weightBytes + rows * columns * 4)
  }

  func panels(of width: Int) -> Int { (columns - 1) / width + 1 }
}

extension KernelCase {
  static var products: [KernelCase] {
    let sizes = ProductSize.all
    return sizes.map(dense) + sizes.map(integers) + sizes.map { blocks($0, "gemm_block_f32") }
      + sizes.map { blocks($0, "gemm_block_i8") } + sizes.filter { $0.rows > 1 }.map(sparse)
      + sizes.map(sparsePanels)
  }

  private static func dense(_ size: ProductSize) -> KernelCase {
    KernelCase("gemm_f32", size.text, size.work(inputBytes: 4, weightBytes: size.columns * size.depth * 4)) {
      let table = Kernels.current
      let a = try BenchmarkData.floats(size.rows * size.depth)
      let b = try BenchmarkData.floats(size.depth * size.columns)
      let c = try AlignedBuffer(byteCount: size.rows * size.columns * 4)
      let panels = size.panels(of: table.gemm_f32_panel)
      let packed = try AlignedBuffer(byteCount: panels * table.gemm_f32_panel * size.depth * 4)
      table.pack_b_f32(b.floats, size.columns, 1, size.depth, size.columns, packed.floats, 0, panels)
      return {
        var gemm = adze_gemm_f32(
          m: size.rows, n: size.columns, k: size.depth, a: a.floats, a_row_stride: size.depth,
          a_column_stride: 1, b_packed: packed.floats, c: c.floats, c_row_stride: size.columns,
          accumulates: false, epilogue: .none)
        table.gemm_f32(&gemm, 0, size.rows, 0, panels)
      }
    }
  }

  private static func integers(_ size: ProductSize) -> KernelCase {
    KernelCase("gemm_i8", size.text, size.work(inputBytes: 1, weightBytes: size.columns * size.depth)) {
      let table = Kernels.current
      let a = try BenchmarkData.bytes(size.rows * size.depth)
      let b = try BenchmarkData.bytes(size.depth * size.columns)
      let c = try AlignedBuffer(byteCount: size.rows * size.columns * 4)
      let panels = size.panels(of: table.gemm_i8_panel)
      let packed = try withUnsafePointer(to: table) { table in
        try AlignedBuffer(byteCount: adze_gemm_i8_packed_bytes(table, size.depth, size.columns))
      }
      table.pack_b_i8(
        b.bytes.baseAddress!, true, size.columns, 1, size.depth, size.columns, packed.bytes.baseAddress!, 0,
        panels)
      return {
        var gemm = adze_gemm_i8(
          rows: size.rows, columns: size.columns, depth: size.depth, aSigned: false, bSigned: true,
          a: a.bytes.baseAddress!, b: packed.bytes.baseAddress!, c: c.bytes.baseAddress!,
          output: ADZE_I8_OUTPUT_F32)
        table.gemm_i8(&gemm, 0, size.rows, 0, panels)
      }
    }
  }

  /// int4 in blocks of 32.
  private static func blocks(_ size: ProductSize, _ kernel: String) -> KernelCase {
    let weights = size.columns * size.depth
    let work = size.work(inputBytes: 4, weightBytes: weights / 2 + weights / 32 * 4)
    return KernelCase(kernel, size.text + " int4", work) {
      let table = Kernels.current
      let a = try BenchmarkData.floats(size.rows * size.depth)
      let weights = try BenchmarkData.bytes(weights / 2)
      let scales = try BenchmarkData.floats(size.columns * size.depth / 32)
      let c = try AlignedBuffer(byteCount: size.rows * size.columns * 4)
      let panels = size.panels(of: table.gemm_f32_panel)
      let packed = try withUnsafePointer(to: table) { table in
        try AlignedBuffer(byteCount: adze_gemm_block_packed_bytes(table, size.depth, size.columns, 4, 32))
      }
      var gemm = adze_gemm_block(
        m: size.rows, n: size.columns, k: size.depth, bits: 4, block: 32, a: a.floats,
        a_row_stride: size.depth, b_packed: packed.bytes.baseAddress!, has_zero_points: false, c: c.floats,
        c_row_stride: size.columns, epilogue: .none)
      table.pack_b_block(
        &gemm, weights.bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), scales.floats, nil,
        packed.bytes.baseAddress!, 0, panels)
      let run = kernel == "gemm_block_i8" ? table.gemm_block_i8 : table.gemm_block_f32
      return {
        withExtendedLifetime((a, c, packed)) { run(&gemm, 0, size.rows, 0, panels) }
      }
    }
  }

  /// One weight in ten, anywhere.
  private static func sparse(_ size: ProductSize) -> KernelCase {
    let stored = size.columns * size.depth / 10
    return KernelCase(
      "gemm_sparse_f32", size.text + " 10 %", size.work(inputBytes: 4, weightBytes: stored * 8)
    ) {
      let table = Kernels.current
      let b = try BenchmarkData.floats(size.depth * size.columns)
      for index in 0..<size.depth * size.columns where (index &* 2_654_435_761) >> 7 % 10 != 0 {
        b.floats[index] = 0
      }
      let scratch = try AlignedBuffer(byteCount: SparsePacking.threadScratch(depth: size.depth))
      return try sparse(
        size, b, scratch, pack: table.pack_b_sparse_f32, run: table.gemm_sparse_f32,
        panels: size.panels(of: Int(ADZE_SPARSE_PANEL)))
    }
  }

  /// One block of 1 x 16 weights in ten.
  private static func sparsePanels(_ size: ProductSize) -> KernelCase {
    let stored = size.columns * size.depth / 10
    return KernelCase(
      "gemm_sparse_panel_f32", size.text + " 10 % of 1 x 16",
      size.work(inputBytes: 4, weightBytes: stored * 4)
    ) {
      let table = Kernels.current
      let b = try BenchmarkData.floats(size.depth * size.columns)
      for index in 0..<size.depth * size.columns where ((index / 16) &* 2_654_435_761) >> 7 % 10 != 0 {
        b.floats[index] = 0
      }
      return try sparse(
        size, b, nil, pack: table.pack_b_sparse_panel_f32, run: table.gemm_sparse_panel_f32,
        panels: size.panels(of: Int(ADZE_SPARSE_BLOCK)))
    }
  }

  private static func sparse(
    _ size: ProductSize, _ b: AlignedBuffer, _ scratch: AlignedBuffer?,
    pack: (UnsafePointer<Float>, Int, Int, Int, Int, UnsafeMutableRawPointer?) -> Int,
    run:
      @escaping (UnsafePointer<adze_gemm_sparse_f32>, UnsafeMutablePointer<Float>?, Int, Int, Int, Int) ->
      Void,
    panels: Int
  ) throws -> () -> Void {
    let a = try BenchmarkData.floats(size.rows * size.depth)
    let c = try AlignedBuffer(byteCount: size.rows * size.columns * 4)
    // Empty matrices are not among the sizes, so there is something to pack.
    let packed = try SparsePacking.packed { pack(b.floats, size.columns, 1, size.depth, size.columns, $0) }!
    var gemm = adze_gemm_sparse_f32(
      m: size.rows, n: size.columns, k: size.depth, a: a.floats, a_row_stride: size.depth,
      b_packed: packed.bytes.baseAddress!, c: c.floats, c_row_stride: size.columns, epilogue: .none)
    return {
      withExtendedLifetime((a, c, packed)) { run(&gemm, scratch?.floats, 0, size.rows, 0, panels) }
    }
  }
}
