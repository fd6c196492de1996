import Tensors

/// How a file holds a constant. All forms give the same elements back, bit by bit.
enum StorageForm: Sendable, Equatable, CaseIterable {
  case plain
  /// `BitmaskCode`.
  case bitmask
  /// ONNX's sparse_initializer with linear int64 indices, which few other programs read.
  case sparseInitializer
  /// `TableCode` with uint8 or uint4 indices.
  case table

  /// Nodes, names and shapes that a form adds to a file, in bytes, for names of a dozen characters.
  var overhead: Int {
    switch self {
    case .plain: 0
    case .bitmask: 1000
    case .sparseInitializer: 40
    case .table: 200
    }
  }
}

/// What decides which form of a constant is the smallest.
struct StorageSurvey: Sendable, Equatable {
  let elements: Int
  /// Bytes of an element.
  let width: Int
  /// Elements that differ from the background.
  let kept: Int
  /// True if the background is the number zero, so that a sparse tensor can leave it out.
  let leavesOutZeros: Bool
  /// Distinct elements; nil when they are more than 256.
  let distinct: Int?

  /// Forms other than the plain one must save this fraction of a constant, and that many bytes.
  static let leastSaving = (fraction: 0.05, bytes: 4096)
  /// A sparse initializer is used only below this density, where a mask of the whole is larger than the indices.
  private static let sparseDensity = 1.0 / 64

  /// Nil for types other than those of 1, 2 or 4 bytes.
  init?(_ tensor: Tensor) {
    let survey = tensor.withBitPatterns { patterns in
      let background = patterns.background
      var kept = 0
      for index in 0..<patterns.count where patterns[index] != background { kept += 1 }
      return StorageSurvey(
        elements: patterns.count, width: patterns.width, kept: kept, leavesOutZeros: background == 0,
        distinct: patterns.distinct(atMost: TableCode.largestTable)?.count)
    }
    guard let survey else { return nil }
    self = survey
  }

  init(elements: Int, width: Int, kept: Int, leavesOutZeros: Bool, distinct: Int?) {
    self.elements = elements
    self.width = width
    self.kept = kept
    self.leavesOutZeros = leavesOutZeros
    self.distinct = distinct
  }

  /// Bytes that a form takes in a file; nil where it cannot hold the constant.
  func byteCount(_ form: StorageForm) -> Int? {
    let data: Int
    switch form {
    case .plain: data = elements * width
    case .bitmask: data = (elements + 7) / 8 + (kept + 1) * width
    case .sparseInitializer:
      if !leavesOutZeros { return nil }
      data = kept * (width + 8)
    case .table:
      guard let distinct else { return nil }
      data = (distinct <= 16 ? (elements + 1) / 2 : elements) + distinct * width
    }
    return data + form.overhead
  }

  /// The form with the fewest bytes, the plain one unless another saves enough.
  var smallest: (form: StorageForm, bytes: Int) {
    let plain = elements * width
    var best = (form: StorageForm.plain, bytes: plain)
    for form in StorageForm.allCases {
      if form == .sparseInitializer && Double(kept) >= Self.sparseDensity * Double(elements) { continue }
      guard let bytes = byteCount(form), bytes < best.bytes else { continue }
      let saved = plain - bytes
      if saved >= Self.leastSaving.bytes && Double(saved) >= Self.leastSaving.fraction * Double(plain) {
        best = (form, bytes)
      }
    }
    return best
  }

  /// The operator set that a form needs.
  func opset(_ form: StorageForm) -> Int {
    switch form {
    case .plain, .sparseInitializer: 1
    // BitwiseAnd.
    case .bitmask: 18
    // uint4.
    case .table: (distinct ?? 0) <= 16 ? 21 : 13
    }
  }
}
