import Tensors

/// How a file holds a constant. All forms give the same elements back, bit by bit.
///
/// ONNX's sparse_initializer is none of them: the shape inference of onnx.checker does not know its shape.
enum StorageForm: Sendable, Equatable, CaseIterable {
  case plain
  /// `BitmaskCode`.
  case bitmask
  /// `TableCode` with uint8 or uint4 indices.
  case table
  /// float32 elements that float16 holds as well, with a Cast.
  case half

  /// Nodes, names and shapes that a form adds to a file, in bytes, for names of a dozen characters.
  var overhead: Int {
    switch self {
    case .plain: 0
    case .bitmask: 1000
    case .table: 200
    case .half: 100
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
  /// Distinct elements; nil when they are more than 256.
  let distinct: Int?
  /// Whether float16 holds all of them exactly.
  let isHalf: Bool

  /// Forms other than the plain one must save this fraction of a constant, and that many bytes.
  static let leastSaving = (fraction: 0.05, bytes: 4096)

  /// Nil for types other than those of 1, 2 or 4 bytes.
  init?(_ tensor: Tensor) {
    let survey = tensor.withBitPatterns { patterns in
      let background = patterns.background
      var kept = 0
      for index in 0..<patterns.count where patterns[index] != background { kept += 1 }
      return StorageSurvey(
        elements: patterns.count, width: patterns.width, kept: kept,
        distinct: patterns.distinct(atMost: TableCode.largestTable)?.count,
        isHalf: tensor.type == .float32 && patterns.areHalves)
    }
    guard let survey else { return nil }
    self = survey
  }

  init(elements: Int, width: Int, kept: Int, distinct: Int?, isHalf: Bool = false) {
    self.elements = elements
    self.width = width
    self.kept = kept
    self.distinct = distinct
    self.isHalf = isHalf
  }

  /// Bytes that a form takes in a file; nil where it cannot hold the constant.
  func byteCount(_ form: StorageForm) -> Int? {
    let data: Int
    switch form {
    case .plain: data = elements * width
    case .bitmask: data = (elements + 7) / 8 + (kept + 1) * width
    case .table:
      guard let distinct else { return nil }
      data = (distinct <= 16 ? (elements + 1) / 2 : elements) + distinct * width
    case .half:
      if !isHalf { return nil }
      data = 2 * elements
    }
    return data + form.overhead
  }

  /// The form with the fewest bytes, the plain one unless another saves enough.
  /// - Parameter limit: forms of newer operator sets are left out.
  func smallest(opset limit: Int = .max) -> (form: StorageForm, bytes: Int) {
    let plain = elements * width
    var best = (form: StorageForm.plain, bytes: plain)
    for form in StorageForm.allCases {
      guard opset(form) <= limit, let bytes = byteCount(form), bytes < best.bytes else { continue }
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
    case .plain: 1
    // BitwiseAnd.
    case .bitmask: 18
    // uint4.
    case .table: (distinct ?? 0) <= 16 ? 21 : 13
    case .half: 6
    }
  }
}
