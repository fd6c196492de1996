import Tensors

extension RowRules {
  static let productRules =
    family(["MatMul"]) { try matMul(&$0, 0, 1) }
    .merging(family(["MatMulInteger"]) { try matMul(&$0, 0, 1) }) { $1 }
    .merging(family(["QLinearMatMul"]) { try matMul(&$0, 0, 3) }) { $1 }
    .merging(family(["Gemm"], gemm)) { $1 }
    .merging(family(["Einsum"], einsum)) { $1 }

  /// Operand `a` times operand `b`; all other inputs must be scalars that are the same for all rows, or vectors along
  /// the columns.
  public static func matMul(_ context: inout RowContext, _ a: Int, _ b: Int) throws {
    let (aRank, bRank) = (try context.rank(a), try context.rank(b))
    let rank = max(aRank, bRank)
    if aRank < 2 || bRank < 2 { throw RowMixing("it multiplies vectors") }
    for input in context.states.indices where input != a && input != b && context.has(input) {
      try context.expectShared([input])
      if try context.rank(input) > 1 { throw RowMixing("input \(input) may tell rows apart") }
    }
    let left = context.rows(a).map { (axis: $0.axis + rank - aRank, width: $0.width) }
    let right = context.rows(b).map { (axis: $0.axis + rank - bRank, width: $0.width) }
    switch (left, right) {
    case (let rows?, nil):
      try context.expectShared([b])
      if rows.axis == rank - 1 { throw RowMixing("it sums over the batch") }
      if rows.axis < rank - 2 { try expectNoExtent(context, b, against: rows.axis, rank: rank) }
      context.setAll(.rows(axis: rows.axis, width: rows.width))
    case (nil, let rows?):
      try context.expectShared([a])
      if rows.axis == rank - 2 { throw RowMixing("it sums over the batch") }
      if rows.axis < rank - 2 { try expectNoExtent(context, a, against: rows.axis, rank: rank) }
      context.setAll(.rows(axis: rows.axis, width: rows.width))
    case (let rows?, let others?):
      if rows.axis != others.axis || rows.width != others.width || rows.axis >= rank - 2 {
        throw RowMixing("it multiplies rows with rows")
      }
      context.setAll(.rows(axis: rows.axis, width: rows.width))
    case (nil, nil): throw RowMixing("it computes with the batch size")
    }
  }

  /// Input 0, whose rows lie along axis 0, times a matrix.
  public static func leadingMatMul(_ context: inout RowContext) throws {
    if context.rows(0)?.axis != 0 { throw RowMixing("its rows are not along axis 0") }
    try matMul(&context, 0, 1)
  }

  /// `Gemm`, and what is made of it.
  public static func gemm(_ context: inout RowContext) throws {
    try context.expectShared([1])
    guard let rows = context.rows(0) else { throw RowMixing("its weights differ from row to row") }
    if rows.axis != (try context.node.flag("transA") ? 1 : 0) { throw RowMixing("it sums over the batch") }
    if context.has(2) {
      if let bias = context.rows(2) {
        if try bias.axis != context.rank(2) - 2 || bias.width != rows.width {
          throw RowMixing("its inputs have their rows along different axes")
        }
      } else {
        try context.expectShared([2])
        try expectNoExtent(context, 2, against: 0, rank: 2)
      }
    }
    context.setAll(.rows(axis: 0, width: rows.width))
  }

  /// The batch's letter must be in the output, and nobody else's.
  private static func einsum(_ context: inout RowContext) throws {
    let equation = try context.node.string("equation", default: "").filter { $0 != " " }
    let sides = equation.split(separator: ">", omittingEmptySubsequences: false)
    guard sides.count == 2, sides[0].last == "-", !equation.contains(".") else {
      throw RowMixing("its equation has no explicit output, or an ellipsis")
    }
    let terms = sides[0].dropLast().split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
    let output = Array(sides[1])
    guard terms.count == context.states.count else { throw RowMixing("its equation has other operands") }
    var found: (letter: Character, width: Extent)?
    for (input, term) in terms.enumerated() {
      guard let rows = context.rows(input) else { continue }
      guard rows.axis < term.count, found == nil || found! == (term[rows.axis], rows.width) else {
        throw RowMixing("its inputs have their rows along different axes")
      }
      found = (term[rows.axis], rows.width)
    }
    guard let found, let axis = output.firstIndex(of: found.letter) else {
      throw RowMixing("it sums over the batch")
    }
    for (input, term) in terms.enumerated() {
      let count = term.count { $0 == found.letter }
      if context.rows(input) == nil { try context.expectShared([input]) }
      if count != (context.rows(input) == nil ? 0 : 1) {
        throw RowMixing("its equation uses the batch's letter more than once")
      }
    }
    context.setAll(.rows(axis: axis, width: found.width))
  }
}
