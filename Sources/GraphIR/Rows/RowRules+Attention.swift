import Tensors

extension RowRules {
  static let attentionRules =
    family(["Attention"], attention)
    .merging(family(["RotaryEmbedding"], rotaryEmbedding)) { $1 }
    .merging(family(["TensorScatter"], tensorScatter)) { $1 }

  /// Q, K, V and the past have the batch along axis 0; the mask broadcasts to four axes.
  public static func attention(_ context: inout RowContext) throws {
    var width: Extent?
    for input in context.states.indices where context.has(input) && input != 3 {
      guard let rows = context.rows(input), rows.axis == 0, width == nil || width == rows.width else {
        throw RowMixing("input \(input) does not have its rows along axis 0")
      }
      width = rows.width
    }
    guard let width else { throw RowMixing("it computes with the batch size") }
    if context.has(3) {
      if let mask = context.rows(3) {
        if try mask.axis + 4 - context.rank(3) != 0 || mask.width != width {
          throw RowMixing("its mask does not go with the batch")
        }
      } else {
        try context.expectShared([3])
        try expectNoExtent(context, 3, against: 0, rank: 4)
      }
    }
    context.setAll(.rows(axis: 0, width: width))
  }

  /// The caches are tables for positions, or hold the rows' own angles.
  private static func rotaryEmbedding(_ context: inout RowContext) throws {
    guard let rows = context.rows(0), rows.axis == 0 else { throw RowMixing("its rows are not along axis 0") }
    if context.has(3) {
      try context.expectShared([1, 2])
      guard let positions = context.rows(3), positions == rows else {
        throw RowMixing("its positions do not go with the batch")
      }
    } else {
      for input in 1...2 where context.rows(input) ?? (-1, .one) != rows {
        throw RowMixing("input \(input) does not go with the batch")
      }
    }
    context.setAll(.rows(axis: 0, width: rows.width))
  }

  private static func tensorScatter(_ context: inout RowContext) throws {
    let axis = try context.node.int("axis", default: -2)
    if context.resolve(axis, rank: try context.rank(0)) == 0 { throw RowMixing("it works along the batch") }
    try leading(&context, rows: [0, 1, 2])
  }
}
