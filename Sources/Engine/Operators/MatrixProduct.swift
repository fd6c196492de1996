import CKernels
import GraphIR
import Tensors

/// The product of two matrices, or of stacks of matrices, in float32.
///
/// B is packed into column panels first: once for a weight, else in each run. Then pieces of C are computed,
/// each a range of rows and panels of one product of the stack.
struct MatrixProduct {
  var rows: Int
  var columns: Int
  var depth: Int
  /// Products in the stack, and where each begins in A, B and C, in elements.
  var batchOffsets: [(a: Int, b: Int, c: Int)]
  /// Matrices of B, and where each begins.
  var bOffsets: [Int]
  /// For each product: which matrix of B it uses.
  var bIndex: [Int]
  var transposesA = false
  var transposesB = false
  var alpha: Float = 1
  var activation: Activation?
  var bias: Bias = .none
  /// From row to row, where rows do not follow each other; for `sparseKernel` only.
  var aRowStride: Int?
  var cRowStride: Int?

  enum Bias {
    case none
    /// One value for each column or row, at the given input.
    case columns(input: Int)
    case rows(input: Int)
    /// Known before the run, already scaled.
    case constantColumns(Tensor)
    case constantRows(Tensor)
    /// C already holds values to add to.
    case accumulate
  }

  private var aStrides: (row: Int, column: Int) { transposesA ? (1, rows) : (depth, 1) }
  private var bStrides: (k: Int, n: Int) { transposesB ? (1, depth) : (columns, 1) }
  private var panels: Int { (columns - 1) / Kernels.current.gemm_f32_panel + 1 }
  private var packedCount: Int { adze_gemm_f32_packed_count(Kernels.table, depth, columns) }

  /// The kernel for this product; `weight` is B when it is a weight of the model.
  func kernel(_ packed: FloatWeight, weight: Tensor?, threads: Int, before: [Kernel.Phase] = []) throws
    -> Kernel
  {
    if rows == 0 || columns == 0 || batchOffsets.isEmpty { return .nothing }
    let name = Kernels.name("gemm_f32")
    if let weight {
      if let kernel = try sparseKernel(packed, weight, threads: threads) { return kernel }
      let buffer = try packed.dense.get { try packAll(weight) }
      var kernel = Kernel(name, phases: before + [product(threads: threads, packed: buffer)])
      kernel.unread = [1]
      return kernel
    }
    let (bytes, overflow) = packedCount.multipliedReportingOverflow(
      by: bOffsets.count * MemoryLayout<Float>.stride)
    if overflow { throw OperatorFailure.invalid("the packed matrix would have too many bytes") }
    return Kernel(
      name, phases: before + [packing(threads: threads), product(threads: threads, packed: nil)],
      sharedScratch: bytes)
  }

  /// The product with what of `weight` is not zero; nil where all of it is multiplied.
  func sparseKernel(_ packed: FloatWeight, _ weight: Tensor, threads: Int) throws -> Kernel? {
    if case .accumulate = bias { return nil }
    guard bOffsets.count == 1, batchOffsets.count == 1, !transposesA || rows == 1, depth > 0 else {
      return nil
    }
    let matrix = WeightMatrix(
      tensor: weight, depth: depth, columns: columns, kStride: bStrides.k, nStride: bStrides.n)
    let form = try packed.sparse(matrix, alpha: alpha, rows: rows) { try packAll(weight) }
    guard let form else { return nil }
    let grid = ProductGrid(
      rows: rows, panels: (columns - 1) / form.panelWidth + 1,
      depth: max(1, Int(Double(depth) * form.density)), batch: 1, threads: threads, rowTile: form.rowTile,
      panelWidth: form.panelWidth)
    let product = self
    var kernel = Kernel(form.kernelName, pieces: grid.pieces, threadScratch: form.threadScratch) {
      operands, piece in
      let tile = grid.tile(piece)
      var accumulates = false
      form.multiply(
        FloatProductOperands(
          rows: product.rows, columns: product.columns, depth: product.depth, a: operands.input(0),
          aRowStride: product.aRowStride ?? product.depth, c: operands.output(),
          cRowStride: product.cRowStride ?? product.columns,
          epilogue: product.epilogue(operands, &accumulates)),
        rows: tile.rows, panels: tile.panels, scratch: operands.threadScratch)
    }
    kernel.unread = [1]
    return kernel
  }

  private func packAll(_ weight: Tensor) throws -> AlignedBuffer {
    let (count, overflow) = packedCount.multipliedReportingOverflow(by: bOffsets.count)
    if overflow { throw OperatorFailure.invalid("the packed matrix would have too many elements") }
    let buffer = try AlignedBuffer(byteCount: count * MemoryLayout<Float>.stride)
    let destination = buffer.bytes.baseAddress!.assumingMemoryBound(to: Float.self)
    defer { weight.releasePages() }
    weight.withUnalignedBytes { elements in
      // Packing reads elements wherever they lie.
      guard let source = elements.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
      for (index, offset) in bOffsets.enumerated() {
        pack(source + offset, destination + index * packedCount, panels: 0..<panels)
      }
    }
    return buffer
  }

  private func pack(_ b: UnsafePointer<Float>, _ packed: UnsafeMutablePointer<Float>, panels: Range<Int>) {
    let strides = bStrides
    Kernels.current.pack_b_f32(
      b, strides.k, strides.n, depth, columns, packed, panels.lowerBound, panels.upperBound)
    if alpha != 1 {
      let width = Kernels.current.gemm_f32_panel * depth
      let part = packed + panels.lowerBound * width
      Kernels.current.affine_f32(part, part, panels.count * width, alpha, 0)
    }
  }

  private func packing(threads: Int) -> Kernel.Phase {
    let split = WorkSplit(
      units: panels, costPerUnit: depth * Kernels.current.gemm_f32_panel / 4, threads: threads)
    let product = self
    return Kernel.Phase(pieces: split.pieces * bOffsets.count) { operands, piece in
      let (matrix, part) = piece.quotientAndRemainder(dividingBy: split.pieces)
      product.pack(
        operands.input(1) + product.bOffsets[matrix],
        operands.sharedScratch.assumingMemoryBound(to: Float.self) + matrix * product.packedCount,
        panels: split.range(of: part))
    }
  }

  private func product(threads: Int, packed: AlignedBuffer?) -> Kernel.Phase {
    let grid = ProductGrid(
      rows: rows, panels: panels, depth: depth, batch: batchOffsets.count, threads: threads,
      rowTile: Kernels.current.gemm_f32_rows, panelWidth: Kernels.current.gemm_f32_panel)
    let product = self
    let aStrides = aStrides
    let packedCount = packedCount
    return Kernel.Phase(pieces: grid.pieces) { operands, piece in
      let tile = grid.tile(piece)
      let offsets = product.batchOffsets[tile.batch]
      let b = (packed?.bytes.baseAddress ?? operands.sharedScratch).assumingMemoryBound(to: Float.self)
      var accumulates = false
      var gemm = adze_gemm_f32(
        m: product.rows, n: product.columns, k: product.depth, a: operands.input(0) + offsets.a,
        a_row_stride: aStrides.row, a_column_stride: aStrides.column,
        b_packed: b + product.bIndex[tile.batch] * packedCount, c: operands.output() + offsets.c,
        c_row_stride: product.columns, accumulates: false, epilogue: product.epilogue(operands, &accumulates))
      gemm.accumulates = accumulates
      Kernels.current.gemm_f32(
        &gemm, tile.rows.lowerBound, tile.rows.upperBound, tile.panels.lowerBound, tile.panels.upperBound)
    }
  }

  private func epilogue(_ operands: KernelOperands, _ accumulates: inout Bool) -> adze_epilogue_f32 {
    var epilogue = adze_epilogue_f32(activation)
    switch bias {
    case .none: break
    case .columns(let input): epilogue.column_bias = operands.input(input)
    case .rows(let input): epilogue.row_bias = operands.input(input)
    // The tensor is kept by this very value, so its block stays where it is.
    case .constantColumns(let tensor): epilogue.column_bias = tensor.floats
    case .constantRows(let tensor): epilogue.row_bias = tensor.floats
    case .accumulate: accumulates = true
    }
    return epilogue
  }
}

extension Tensor {
  /// Where the elements lie, for as long as somebody keeps the tensor.
  var floats: UnsafePointer<Float>? {
    buffer.map { UnsafePointer($0.bytes.baseAddress!.assumingMemoryBound(to: Float.self)) }
  }
}

/// How a stack of products is cut into pieces: whole products when there are enough, else ranges of rows and of column
/// panels, so that little of A and B is read more than once.
struct ProductGrid {
  struct Tile {
    let batch: Int
    let rows: Range<Int>
    let panels: Range<Int>
  }

  let pieces: Int
  private let rows: Int
  private let panels: Int
  private var rowsPerPart: Int
  private var panelsPerPart: Int
  private let rowParts: Int
  private let panelParts: Int

  /// - Parameter rowCost: what preparing an element of A takes in each piece, in reads.
  init(
    rows: Int, panels: Int, depth: Int, batch: Int, threads: Int, rowTile: Int, panelWidth: Int,
    rowCost: Int = 1
  ) {
    self.rows = rows
    self.panels = panels
    (rowsPerPart, panelsPerPart) = (max(1, rows), max(1, panels))
    // Eight multiply-adds count as one elementary step.
    let cost = Double(rows) * Double(panels * panelWidth) * Double(max(1, depth)) / 8
    let wanted = threads <= 1 ? 1 : (threads * WorkSplit.piecesPerThread - 1) / max(1, batch) + 1
    let parts = min(wanted, max(1, Int(min(cost, 1e12)) / WorkSplit.minimumCost))
    let rowUnits = (rows - 1) / rowTile + 1
    var best = Int.max
    for rowCount in 1...max(1, min(parts, rowUnits)) {
      let panelCount = max(1, min(panels, (parts - 1) / rowCount + 1))
      let height = ((rowUnits - 1) / rowCount + 1) * rowTile
      let width = (panels - 1) / panelCount + 1
      // The largest piece for each of its turns, 32 products at once, and what is read, 8 numbers at once.
      let turns = (rowCount * panelCount - 1) / max(1, min(threads, parts)) + 1
      let time =
        turns * height * width * panelWidth / 4 + rowCount * panels * panelWidth + panelCount * rows * rowCost
      if time < best {
        best = time
        (rowsPerPart, panelsPerPart) = (height, width)
      }
    }
    rowParts = rows <= 0 ? 0 : (rows - 1) / rowsPerPart + 1
    panelParts = panels <= 0 ? 0 : (panels - 1) / panelsPerPart + 1
    pieces = batch * rowParts * panelParts
  }

  func tile(_ piece: Int) -> Tile {
    let (rest, panel) = piece.quotientAndRemainder(dividingBy: panelParts)
    let (batch, row) = rest.quotientAndRemainder(dividingBy: rowParts)
    return Tile(
      batch: batch, rows: (row * rowsPerPart)..<min(rows, (row + 1) * rowsPerPart),
      panels: (panel * panelsPerPart)..<min(panels, (panel + 1) * panelsPerPart))
  }
}
