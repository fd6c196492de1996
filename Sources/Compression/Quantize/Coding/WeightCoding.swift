import Tensors

/// The numbers that codes can stand for, in one group of elements that share a scale.
protocol WeightGrid: Sendable {
  /// int8 uint8 int4 uint4 int2 uint2, or uint8/uint4 for a codebook.
  var storage: ElementType { get }
  /// - Parameter importance: E[x²] of each value's input, or nil.
  func fit(
    _ values: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>?, _ clip: Clip,
    minimumScale: Float) -> GridScale
  /// The code of the number nearest to `value`.
  func round(_ value: Float, _ scale: GridScale) -> Int32
  func value(_ code: Int32, _ scale: GridScale) -> Float
  /// True when some code stands for exactly zero.
  func keepsZero(_ scale: GridScale) -> Bool
}

/// What turns codes into numbers: scale · (code − zeroPoint), or the entry of `levels` that the code names.
struct GridScale: Sendable, Equatable {
  var scale: Float
  var zeroPoint: Int32 = 0
  var levels: [Float]? = nil
}

/// Which elements of a matrix `[depth, columns]` share a scale.
enum ScaleGroups: Sendable, Equatable {
  case tensor
  /// One scale for each column.
  case channel
  /// One scale for so many consecutive elements along the depth of one column; the last block may be shorter.
  case blocks(Int)
}

/// How the codes of a matrix are chosen: each for itself, or so that the layer's output stays close.
protocol WeightRounding: Sendable {
  /// Codes `[depth, columns]` of one group's matrix. Elements of `mask` that are true stay zero.
  ///
  /// Scales are one, `columns`, or `[blocks, columns]` in row-major order.
  func codes(
    _ matrix: [Float], _ layout: MatrixLayout, _ grid: any WeightGrid, _ groups: ScaleGroups, _ clip: Clip,
    gram: SymmetricMatrix?, mask: [Bool]?, minimumScales: [Float]?
  ) throws(CompressionError) -> (codes: [Int32], scales: [GridScale])
}
