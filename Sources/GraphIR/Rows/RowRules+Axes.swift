import Tensors

extension RowRules {
  static let axisRules =
    family(["Softmax", "LogSoftmax", "Hardmax", "LpNormalization"]) { try along(&$0, fallback: -1) }
    .merging(family(["LayerNormalization", "RMSNormalization"], layerNormalization)) { $1 }
    .merging(family(["CumSum", "CumProd"], cumulation)) { $1 }
    .merging(family(["TopK"]) { try along(&$0, fallback: -1) }) { $1 }
    .merging(family(["ArgMax", "ArgMin"], argument)) { $1 }
    .merging(family(reductions, reduction)) { $1 }
    .merging(family(["MeanVarianceNormalization"], meanVariance)) { $1 }
    .merging(family(["BatchNormalization"], batchNormalization)) { $1 }
    .merging(family(["InstanceNormalization", "GroupNormalization"]) { try leading(&$0, rows: [0]) }) { $1 }
    .merging(family(["Trilu", "Det"], matrices)) { $1 }

  private static let reductions = [
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceSum", "ReduceSumSquare",
  ]

  /// The rows of input 0, the only one that may have any.
  static func soleRows(_ context: RowContext) throws -> (axis: Int, width: Extent) {
    try context.expectShared(1..<max(1, context.states.count))
    guard let rows = context.rows(0) else { throw RowMixing("it computes with the batch size") }
    return rows
  }

  /// Operators that treat each entry of axis 0 by itself: the inputs `rows` have the batch there or are omitted, all
  /// others are the same for all rows.
  public static func leading(_ context: inout RowContext, rows inputs: Set<Int>) throws {
    var width: Extent?
    for input in context.states.indices where context.has(input) {
      guard inputs.contains(input) else {
        try context.expectShared([input])
        continue
      }
      guard let rows = context.rows(input), rows.axis == 0, width == nil || width == rows.width else {
        throw RowMixing("input \(input) does not have its rows along axis 0")
      }
      width = rows.width
    }
    guard let width else { throw RowMixing("it computes with the batch size") }
    context.setAll(.rows(axis: 0, width: width))
  }

  /// Works along `axis`, which must not be the batch's.
  static func along(_ context: inout RowContext, fallback: Int, name: String = "axis") throws {
    let rows = try soleRows(context)
    let axis = context.resolve(try context.node.int(name, default: fallback), rank: try context.rank(0))
    if axis == rows.axis { throw RowMixing("it works along the batch") }
    context.setAll(context.state(0))
  }

  private static func layerNormalization(_ context: inout RowContext) throws {
    let rows = try soleRows(context)
    let rank = try context.rank(0)
    if rows.axis >= context.resolve(try context.node.int("axis", default: -1), rank: rank) {
      throw RowMixing("it works along the batch")
    }
    for input in 1..<context.states.count where context.has(input) {
      try expectNoExtent(context, input, against: rows.axis, rank: rank)
    }
    context.setAll(context.state(0))
  }

  private static func cumulation(_ context: inout RowContext) throws {
    let rows = try soleRows(context)
    let rank = try context.rank(0)
    if try context.numbers(1).map({ context.resolve($0, rank: rank) }) == [rows.axis] {
      throw RowMixing("it works along the batch")
    }
    context.setAll(context.state(0))
  }

  private static func argument(_ context: inout RowContext) throws {
    let axis = try context.node.int("axis", default: 0)
    try reduce(&context, axes: [axis], keepsAxes: try context.node.flag("keepdims", default: true))
  }

  static func reduction(_ context: inout RowContext) throws {
    let isKept = try context.node.flag("keepdims", default: true)
    var axes: [Int] = context.has(1) ? try context.numbers(1) : []
    if axes.isEmpty {
      if try context.node.flag("noop_with_empty_axes") {
        _ = try soleRows(context)
        context.setAll(context.state(0))
        return
      }
      axes = Array(0..<(try context.rank(0)))
    }
    try reduce(&context, axes: axes, keepsAxes: isKept)
  }

  private static func reduce(_ context: inout RowContext, axes: [Int], keepsAxes: Bool) throws {
    let rows = try soleRows(context)
    let rank = try context.rank(0)
    let axes = Set(axes.map { context.resolve($0, rank: rank) })
    if axes.contains(rows.axis) { throw RowMixing("it reduces the batch") }
    let before = keepsAxes ? 0 : axes.count { $0 < rows.axis }
    context.setAll(.rows(axis: rows.axis - before, width: rows.width))
  }

  private static func meanVariance(_ context: inout RowContext) throws {
    let axes = try context.node.ints("axes") ?? [0, 2, 3]
    try reduce(&context, axes: axes, keepsAxes: true)
  }

  /// Statistics are constants outside training; axis 1 has the channels.
  private static func batchNormalization(_ context: inout RowContext) throws {
    let rows = try soleRows(context)
    if try context.node.flag("training_mode") { throw RowMixing("it is in training mode") }
    if rows.axis == 1 { throw RowMixing("its channels are the batch") }
    context.setAll(context.state(0))
  }

  /// Operators on the matrices of the last two axes.
  private static func matrices(_ context: inout RowContext) throws {
    let rows = try soleRows(context)
    if rows.axis >= (try context.rank(0)) - 2 { throw RowMixing("it works along the batch") }
    context.setAll(context.state(0))
  }
}
