import Tensors

/// How many bytes a weight takes once it is coded, known before it is.
enum CodingSize {
  /// Bytes of codes, scales and zero points, as `CodedWeight.byteCount` counts them afterwards.
  /// - Parameters:
  ///   - levels: numbers in the codebook of a group, which has no scale then; 0: scales.
  static func byteCount(
    _ layout: MatrixLayout, _ storage: ElementType, _ groups: ScaleGroups, hasZeroPoints: Bool = false,
    levels: Int = 0
  ) -> Int {
    let codes = storage.byteCount(elements: layout.groups * layout.count) ?? 0
    let matrices = groups == .tensor ? 1 : layout.groups
    let count = matrices * groups.count(depth: layout.depth, columns: layout.columns)
    if levels > 0 { return codes + 4 * count * levels }
    return codes + 4 * count + (hasZeroPoints ? storage.byteCount(elements: count) ?? 0 : 0)
  }
}
