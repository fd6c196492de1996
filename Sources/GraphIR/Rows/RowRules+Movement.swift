import Tensors

/// Operators that give data another shape, or repeat them.
extension RowRules {
  static let movementRules =
    family(["Transpose"], transpose)
    .merging(family(["Reshape"], reshape)) { $1 }
    .merging(family(["Flatten"], flatten)) { $1 }
    .merging(family(["Squeeze"], squeeze)) { $1 }
    .merging(family(["Unsqueeze"], unsqueeze)) { $1 }
    .merging(family(["Expand"], expand)) { $1 }
    .merging(family(["Tile"], tile)) { $1 }
    .merging(family(["ConstantOfShape"], constantOfShape)) { $1 }
    .merging(family(["Pad"], pad)) { $1 }

  private static func transpose(_ context: inout RowContext) throws {
    let rows = try context.movable()
    let rank = try context.rank(0)
    let order = try context.node.ints("perm") ?? Array((0..<rank).reversed())
    guard let axis = order.firstIndex(of: rows.axis) else { throw RowMixing("its order has no batch") }
    try context.move(to: axis)
  }

  // MARK: Reshape

  private static func reshape(_ context: inout RowContext) throws {
    if case .sizes(let elements) = context.state(0), try context.outputRank() <= 1 {
      context.outputs[0] = .sizes(elements)
      return
    }
    guard let target = context.elements(1) else {
      throw RowMixing("its target shape is not known")
    }
    try reshape(&context, target, copiesZeros: !(try context.node.flag("allowzero")))
  }

  private static func flatten(_ context: inout RowContext) throws {
    let rank = try context.rank(0)
    let axis = try context.node.int("axis", default: 1)
    let extents = try context.extents(0)
    let place = min(max(axis < 0 ? axis + rank : axis, 0), rank)
    try reshape(
      &context, [Extent.product(extents[..<place]), Extent.product(extents[place...])], copiesZeros: false)
  }

  /// In memory the rows lie one after the other, once for each combination of the axes before the batch. So they
  /// stay rows when these axes keep their product, and the axis of the batch holds whole rows.
  private static func reshape(
    _ context: inout RowContext, _ target: [Extent?], copiesZeros: Bool
  ) throws {
    guard let rows = context.rows(0) else {
      try context.expectShared([0])
      throw RowMixing("its target shape depends on the batch size")
    }
    let extents = try context.extents(0)
    var wanted = target
    for (index, element) in target.enumerated() where copiesZeros && element?.number == 0 {
      if index < extents.count { wanted[index] = extents[index] }
    }
    if let hole = wanted.firstIndex(where: { $0?.number == -1 }) {
      wanted[hole] = try inferred(context, extents, wanted, hole)
    }
    guard let axis = wanted.firstIndex(where: { !($0?.isFree ?? false) }), let found = wanted[axis],
      let width = found.divided(by: .batch), width.isFree,
      wanted[(axis + 1)...].allSatisfy({ $0?.isFree ?? false }),
      let before = Extent.product(wanted[..<axis].compactMap { $0 }),
      before == Extent.product(extents[..<rows.axis])
    else { throw RowMixing("it moves elements between rows") }
    context.setAll(.rows(axis: axis, width: width))
  }

  private static func inferred(
    _ context: RowContext, _ extents: [Extent], _ wanted: [Extent?], _ hole: Int
  ) throws -> Extent? {
    let others = wanted.enumerated().filter { $0.offset != hole }.map(\.element)
    guard others.allSatisfy({ $0 != nil }), let total = Extent.product(extents),
      let known = Extent.product(others.compactMap { $0 })
    else { throw RowMixing("its target shape is not known") }
    if let exact = total.divided(by: known) { return exact }
    // The run fails unless the division leaves no rest; without the batch in it the result is the same for all.
    return total.batchPower == known.batchPower ? context.free(hole) : nil
  }

  // MARK: Axes of extent 1

  private static func squeeze(_ context: inout RowContext) throws {
    if case .sizes = context.state(0) { return context.setAll(context.state(0)) }
    let rows = try context.movable()
    if !context.has(1) { throw RowMixing("it may take a batch of one away") }
    let rank = try context.rank(0)
    let axes = try context.numbers(1).map { context.resolve($0, rank: rank) }
    if axes.contains(rows.axis) { throw RowMixing("it takes the axis of the batch away") }
    try context.move(to: rows.axis - axes.count { $0 < rows.axis })
  }

  private static func unsqueeze(_ context: inout RowContext) throws {
    if case .sizes = context.state(0), try context.outputRank() <= 1 {
      return context.setAll(context.state(0))
    }
    let rows = try context.movable()
    let axes = try context.numbers(1)
    let rank = try context.rank(0) + axes.count
    let added = Set(axes.map { context.resolve($0, rank: rank) })
    let kept = (0..<rank).filter { !added.contains($0) }
    if rows.axis >= kept.count { throw RowMixing("its axes are out of range") }
    try context.move(to: kept[rows.axis])
  }

  // MARK: Repetition

  private static func expand(_ context: inout RowContext) throws {
    guard let target = context.elements(1) else { throw RowMixing("its target shape is not known") }
    let extents = try context.extents(0)
    let rank = max(extents.count, target.count)
    var found: (axis: Int, width: Extent)? = context.state(0).place.map {
      (axis: $0.axis + rank - extents.count, width: $0.width)
    }
    if found == nil { try context.expectShared([0]) } else { _ = try context.movable() }
    for (index, element) in target.enumerated() {
      guard let element else { throw RowMixing("its target shape depends on the batch size") }
      let axis = index + rank - target.count
      if element.isFree {
        if axis == found?.axis, element.number != 1 { throw RowMixing("it expands along the batch") }
        continue
      }
      guard let width = element.divided(by: .batch), width.isFree else {
        throw RowMixing("its target shape is no multiple of the batch size")
      }
      let own = axis - (rank - extents.count)
      if found == nil, own < 0 || extents[own] == .one {
        found = (axis, width)
      } else if found?.axis != axis || found?.width != width {
        throw RowMixing("it expands along the batch")
      }
    }
    guard let found else { throw RowMixing("its target shape is not known") }
    context.setAll(context.state(0).moved(to: found.axis) ?? .rows(axis: found.axis, width: found.width))
  }

  private static func tile(_ context: inout RowContext) throws {
    guard let repeats = context.elements(1) else { throw RowMixing("its repeats are not known") }
    if let rows = context.rows(0) {
      guard repeats.allSatisfy({ $0?.isFree ?? false }), rows.axis < repeats.count, repeats[rows.axis] == .one
      else { throw RowMixing("it repeats the batch") }
      return context.setAll(context.state(0))
    }
    try context.expectShared([0])
    let extents = try context.extents(0)
    let along = repeats.indices.filter { !(repeats[$0]?.isFree ?? false) }
    guard along.count == 1, along[0] < extents.count, let count = repeats[along[0]]?.divided(by: .batch),
      count.isFree, let width = count.times(extents[along[0]])
    else { throw RowMixing("its repeats depend on the batch size") }
    context.setAll(.rows(axis: along[0], width: width))
  }

  private static func constantOfShape(_ context: inout RowContext) throws {
    if context.state(0).isShared { return }
    guard case .sizes(let elements) = context.state(0) else { throw RowMixing("its shape is computed data") }
    let along = elements.indices.filter { !(elements[$0]?.isFree ?? false) }
    guard along.count == 1, let width = elements[along[0]]?.divided(by: .batch), width.isFree else {
      throw RowMixing("its shape depends on the batch size")
    }
    context.setAll(.rows(axis: along[0], width: width))
  }

  private static func pad(_ context: inout RowContext) throws {
    let rows = try soleRows(context)
    let rank = try context.rank(0)
    let axes =
      context.has(3) ? try context.numbers(3).map { context.resolve($0, rank: rank) } : Array(0..<rank)
    guard let pads = context.elements(1), pads.count == axes.count * 2 else {
      throw RowMixing("its pads are not known")
    }
    if let place = axes.firstIndex(of: rows.axis) {
      guard pads[place]?.number == 0, pads[place + axes.count]?.number == 0 else {
        throw RowMixing("it pads the batch")
      }
    }
    context.setAll(context.state(0))
  }
}
