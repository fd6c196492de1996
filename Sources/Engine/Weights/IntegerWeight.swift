import CKernels
import Synchronization
import Tensors

/// A constant 8-bit matrix in the layout of `gemm_i8`, or what of it is not zero in that of `gemm_sparse_i8` or, for many rows,
/// `gemm_sparse_rows_i8`. All take the same products and give the same results.
struct IntegerWeightForm: WeightForm {
  let kind: WeightFormKind
  let density: Double
  let packed: AlignedBuffer
  let isSigned: Bool
  let panelWidth: Int
  let threadScratch: Int

  var byteCount: Int { packed.count }
  var rowTile: Int {
    kind == .sparse ? Kernels.current.gemm_sparse_rows : Kernels.current.gemm_i8_rows
  }
  var kernelName: String { name("gemm_i8") }

  /// For profiles: `dense` is what the kernel is called that multiplies everything.
  func name(_ dense: String) -> String {
    if kind == .dense { return Kernels.name(dense) }
    return SparsePacking.name(
      kind == .sparse ? "gemm_sparse_rows_i8" : "gemm_sparse_i8", density: density)
  }

  static func dense(_ packing: IntegerPacking, _ weight: Tensor) throws -> IntegerWeightForm {
    IntegerWeightForm(
      kind: .dense, density: 1, packed: try packing.packAll(weight), isSigned: packing.isSigned,
      panelWidth: Kernels.current.gemm_i8_panel, threadScratch: 0)
  }

  /// - Parameter kind: `sparse` or `sparseColumns`.
  /// - Returns: nil when the matrix is too large.
  static func sparse(
    _ kind: WeightFormKind, _ packing: IntegerPacking, _ weight: Tensor, density: Double
  ) throws -> IntegerWeightForm? {
    let (table, product) = (Kernels.current, packing.product)
    if !SparsePacking.fits(depth: product.depth, columns: product.columns) { return nil }
    let pack = kind == .sparse ? table.pack_b_sparse_rows_i8 : table.pack_b_sparse_i8
    let packed = try weight.withBytes { bytes in
      try SparsePacking.packed {
        pack(bytes.baseAddress!, packing.isSigned, product.columns, 1, product.depth, product.columns, $0)
      }
    }
    return packed.map {
      IntegerWeightForm(
        kind: kind, density: density, packed: $0, isSigned: packing.isSigned,
        panelWidth: Int(ADZE_SPARSE_PANEL),
        threadScratch: kind == .sparse ? SparsePacking.threadScratch(depth: product.depth) : 0)
    }
  }

  /// Computes a part of the product `gemm`, whose B is `packed`.
  func multiply(
    _ gemm: UnsafePointer<adze_gemm_i8>, rows: Range<Int>, panels: Range<Int>,
    scratch: UnsafeMutableRawPointer
  ) {
    let table = Kernels.table
    switch kind {
    case .sparse:
      table.pointee.gemm_sparse_rows_i8(
        gemm, scratch.assumingMemoryBound(to: Float.self), rows.lowerBound, rows.upperBound,
        panels.lowerBound, panels.upperBound)
    case .sparseColumns:
      table.pointee.gemm_sparse_i8(
        gemm, rows.lowerBound, rows.upperBound, panels.lowerBound, panels.upperBound)
    default:
      table.pointee.gemm_i8(gemm, rows.lowerBound, rows.upperBound, panels.lowerBound, panels.upperBound)
    }
  }

  /// The product of rows that are rounded to 8 bits by one scale, to be timed.
  func multiply(
    _ operands: FloatProductOperands, rows: Range<Int>, panels: Range<Int>, scratch: UnsafeMutableRawPointer
  ) {
    var gemm = adze_gemm_i8(
      rows: operands.rows, columns: operands.columns, depth: operands.depth, aSigned: false,
      bSigned: isSigned, a: operands.a, b: packed.bytes.baseAddress!, c: operands.c,
      output: ADZE_I8_OUTPUT_F32)
    gemm.a_source = ADZE_I8_A_F32
    withUnsafePointer(to: Float(1) / 128) { scale in
      gemm.a_scale = scale
      multiply(&gemm, rows: rows, panels: panels, scratch: scratch)
    }
  }
}

/// The constant B of an 8-bit product in the forms that its rows need; as `FloatWeight`.
final class IntegerWeight: Sendable {
  /// Below this share of zeros nothing is measured.
  private static let sparseShare = 0.4
  private static let smallestMatrix = 8192
  private static let samples = 1024
  private static let sparseKinds: [WeightFormKind] = [.sparseColumns, .sparse]

  private let wanted: WeightFormKind?
  private let state = Mutex(State())

  private struct State {
    var isDecided = false
    var density = 1.0
    /// nil: dense only.
    var choice: WeightChoice?
    var forms: [IntegerWeightForm] = []
  }

  init(_ options: CompileOptions) {
    // Forms that only float32 has are no wish.
    wanted = options.weightForm.flatMap { $0 == .dense || Self.sparseKinds.contains($0) ? $0 : nil }
  }

  /// The form for products with so many rows.
  func form(_ packing: IntegerPacking, _ weight: Tensor, rows: Int) throws -> IntegerWeightForm {
    try state.withLock { state in
      if !state.isDecided { try decide(&state, packing, weight) }
      let kind = state.choice?.kind(rows: rows) ?? .dense
      if let form = state.forms.first(where: { $0.kind == kind }) { return form }
      var form: IntegerWeightForm?
      if kind != .dense { form = try .sparse(kind, packing, weight, density: state.density) }
      let packed = try form ?? .dense(packing, weight)
      state.forms.append(packed)
      return packed
    }
  }

  private func decide(_ state: inout State, _ packing: IntegerPacking, _ weight: Tensor) throws {
    defer { state.isDecided = true }
    let product = packing.product
    let count = product.depth * product.columns
    if wanted == .dense || product.bOffsets.count != 1 || count == 0 { return }
    let zero: UInt8 = packing.isSigned ? 0 : 128
    func density(step: Int) -> Double {
      weight.withUnalignedBytes { bytes in
        var (nonZero, seen) = (0, 0)
        for index in stride(from: 0, to: count, by: step) {
          if bytes[index] != zero { nonZero += 1 }
          seen += 1
        }
        return Double(nonZero) / Double(seen)
      }
    }
    let isCounted = wanted != nil || density(step: count / Self.samples | 1) < 0.75
    state.density = isCounted ? density(step: 1) : 1
    if let wanted {
      state.choice = WeightChoice(kinds: WeightChoice.rowClasses.map { _ in wanted })
      return
    }
    if count < Self.smallestMatrix || state.density > 1 - Self.sparseShare { return }
    let density = WeightDensity(elements: state.density, quads: 1, panelRows: 1)
    state.choice = try WeightChoices.choice(
      depth: product.depth, columns: product.columns, bits: 8, density
    ) {
      let sparse = try Self.sparseKinds.compactMap {
        try IntegerWeightForm.sparse($0, packing, weight, density: density.elements)
      }
      return [try IntegerWeightForm.dense(packing, weight)] + sparse
    }
  }
}
