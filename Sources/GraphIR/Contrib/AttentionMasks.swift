import Tensors

/// The masks of the contrib attention operators, as numbers that are added to the scores.
extension NodeExpansion {
  /// - Parameters:
  ///   - mask: lengths `[batch]`, ends and then starts `[2 * batch]`, or 0 for hidden keys: `[batch, keys]`,
  ///     `[batch, queries, keys]`. May be omitted.
  ///   - bias: numbers to add. May be omitted.
  ///   - keyCount: a vector with the number of keys, those of the past included.
  ///   - batch: a vector with the batch's extent.
  mutating func scoreBias(
    mask: ValueID, bias: ValueID, keyCount: () -> [ValueID], batch: ValueID, like x: ValueID
  ) throws -> ValueID {
    if mask.isNone { return bias }
    let filter = try node.float("mask_filter_value", default: -10000)
    let visible: ValueID
    let rank = try self.rank(mask, "the mask")
    switch rank {
    case 1: visible = try visibleByLength(mask, batch: batch, keyCount: keyCount())
    case 2: visible = try shown(mask, axes: [1, 2])
    case 3: visible = try shown(mask, axes: [1])
    default: throw error("a mask of rank \(rank) is not supported")
    }
    let added = try add(
      "Where", [visible, try number(0, like: x), try number(filter, like: x)])
    return bias.isNone ? added : try add("Add", [added, bias])
  }

  private mutating func shown(_ mask: ValueID, axes: [Int]) throws -> ValueID {
    let isShown = try add("Greater", [mask, try add("CastLike", [try integer(0), mask])])
    return try add("Unsqueeze", [isShown, constant(try Tensor(shape: [axes.count], axes))])
  }

  /// Keys from each sequence's start to its end.
  private mutating func visibleByLength(
    _ mask: ValueID, batch: ValueID, keyCount: [ValueID]
  ) throws -> ValueID {
    let (zero, one, two) = (try integers(0), try integers(1), try integers(2))
    // Where there are no starts, zeros behind the ends take their place.
    let wide = try add("Cast", [mask], ["to": .int(ElementType.int64.onnxNumber)])
    let zeros = try add("Expand", [zero, batch])
    let bounds = try add("Concat", [wide, zeros], ["axis": .int(0)])
    let ends = try add("Slice", [bounds, zero, batch, zero])
    let starts = try add("Slice", [bounds, batch, try add("Mul", [batch, two]), zero])
    let column = try add("Concat", [batch, one], ["axis": .int(0)])
    let keys = try range(to: keyCount)
    let isBeforeEnd = try add("Less", [keys, try add("Reshape", [ends, column])])
    let isAfterStart = try add("GreaterOrEqual", [keys, try add("Reshape", [starts, column])])
    return try add(
      "Unsqueeze", [try add("And", [isBeforeEnd, isAfterStart]), constant(try Tensor(shape: [2], [1, 2]))])
  }

  /// 0, 1 … below the sum of `counts`, vectors of one element.
  mutating func range(to counts: [ValueID]) throws -> ValueID {
    var total = counts[0]
    for count in counts.dropFirst() { total = try add("Add", [total, count]) }
    let limit = try add("Squeeze", [total, try integers(0)])
    return try add("Range", [try integer(0), limit, try integer(1)])
  }

  /// A vector with extent `axis` of `x`.
  mutating func extent(_ x: ValueID, _ axis: Int) throws -> ValueID {
    try add("Shape", [x], ["start": .int(axis), "end": .int(axis + 1)])
  }
}
