import Tensors

extension RowRules {
  private static let images = [
    "Conv", "ConvInteger", "ConvTranspose", "QLinearConv", "AveragePool", "LpPool", "MaxPool", "LRN",
    "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "DepthToSpace", "SpaceToDepth", "Col2Im",
  ]

  static let windowRules =
    family(images, image)
    .merging(family(["GridSample"]) { try leading(&$0, rows: [0, 1]) }) { $1 }
    .merging(family(["DeformConv"]) { try leading(&$0, rows: [0, 2, 4]) }) { $1 }
    .merging(family(["Resize"], resize)) { $1 }
    .merging(family(["AffineGrid"], affineGrid)) { $1 }
    .merging(family(["STFT"]) { try leading(&$0, rows: [0]) }) { $1 }
    .merging(family(["TfIdfVectorizer"], vectorizer)) { $1 }

  private static func image(_ context: inout RowContext) throws {
    // Indices of MaxPool count through the whole batch.
    if context.node.hasOutput(1) { throw RowMixing("its indices count through the whole batch") }
    try leading(&context, rows: [0])
  }

  private static func resize(_ context: inout RowContext) throws {
    guard let rows = context.rows(0) else { throw RowMixing("it computes with the batch size") }
    try context.expectShared([1, 2])
    if try context.node.string("coordinate_transformation_mode", default: "") == "tf_crop_and_resize" {
      throw RowMixing("its region of interest may cut the batch")
    }
    let axes = try context.node.ints("axes").map { axes in
      try axes.map { context.resolve($0, rank: try context.rank(0)) }
    }
    if try context.node.string("keep_aspect_ratio_policy", default: "stretch") != "stretch" {
      guard let axes, !axes.contains(rows.axis) else { throw RowMixing("its policy looks at the batch size") }
    }
    let position = axes == nil ? rows.axis : axes?.firstIndex(of: rows.axis)
    guard let position else {
      try context.expectShared([3])
      context.setAll(context.state(0))
      return
    }
    if context.has(3) {
      guard let sizes = context.elements(3), position < sizes.count,
        sizes[position] == rows.width.times(.batch),
        sizes.enumerated().allSatisfy({ $0 == position || ($1?.isFree ?? false) })
      else { throw RowMixing("it may resize the batch") }
    } else {
      guard context.has(2), let scales = context.graph.constant(context.node.inputs[2]),
        scales.type == .float32, scales.elementCount > position, scales.array(of: Float.self)[position] == 1
      else { throw RowMixing("it may resize the batch") }
    }
    context.setAll(context.state(0))
  }

  private static func affineGrid(_ context: inout RowContext) throws {
    guard let rows = context.rows(0), rows.axis == 0, let sizes = context.elements(1),
      sizes.first == rows.width.times(.batch), sizes.dropFirst().allSatisfy({ $0?.isFree ?? false })
    else { throw RowMixing("its size is not that of the batch") }
    context.setAll(.rows(axis: 0, width: rows.width))
  }

  private static func vectorizer(_ context: inout RowContext) throws {
    if try context.rank(0) != 2 { throw RowMixing("it takes the batch for one text") }
    try leading(&context, rows: [0])
  }
}
