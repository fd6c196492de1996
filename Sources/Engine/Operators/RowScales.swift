import CKernels
import GraphIR

/// A scale for each row by the largest of its absolute values: `max(largest · factor, minimum)`, with one zero point.
struct RowScales {
  let factor: Float
  let minimum: Float
  let zeroPoint: Int32

  /// nil when the node's rows share a scale.
  init?(_ node: Node) {
    guard let factor = node.attributes.float(FusedOperator.rowFactor),
      let minimum = node.attributes.float(FusedOperator.rowMinimum),
      let zeroPoint = node.attributes.int(FusedOperator.rowZeroPoint)
    else { return nil }
    self.factor = factor
    self.minimum = minimum
    self.zeroPoint = Int32(zeroPoint)
  }

  /// Puts the scales of `rows` rows of `x` into `scales`.
  func find(_ scales: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, depth: Int) {
    let table = Kernels.current
    for row in 0..<rows {
      var (low, high): (Float, Float) = (0, 0)
      table.min_max_f32(x + row * depth, depth, &low, &high)
      scales[row] = max(max(-low, high) * factor, minimum)
    }
  }
}
