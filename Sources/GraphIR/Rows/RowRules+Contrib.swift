/// Operators of com.microsoft that keep their own form; the others have become ai.onnx's by now. Those that choose one
/// scale for the whole batch as they run are left out.
extension RowRules {
  static let contribRules = family(["com.microsoft.MatMulNBits"], packedProduct)

  /// Input 0 times weights: `com.microsoft.MatMulNBits`.
  public static func packedProduct(_ context: inout RowContext) throws {
    let rows = try soleRows(context)
    if rows.axis == (try context.rank(0)) - 1 { throw RowMixing("it sums over the batch") }
    context.setAll(context.state(0))
  }
}
