import Tensors

/// Operators that join, cut and pick.
extension RowRules {
  static let indexRules =
    family(["Concat"], concat)
    .merging(family(["Split"], split)) { $1 }
    .merging(family(["Slice"], slice)) { $1 }
    .merging(family(["Gather"], gather)) { $1 }
    .merging(family(["GatherElements", "ScatterElements"], elementwiseIndices)) { $1 }
    .merging(family(["GatherND"], gatherND)) { $1 }
    .merging(family(["OneHot"], oneHot)) { $1 }
    .merging(family(["ReverseSequence"], reverseSequence)) { $1 }
    .merging(family(["Compress"], compress)) { $1 }

  private static func concat(_ context: inout RowContext) throws {
    if !context.hasPlaces {
      let parts = context.states.indices.map { context.elements($0) }
      guard parts.allSatisfy({ $0 != nil }) else {
        return try context.expectShared(context.states.indices)
      }
      context.outputs[0] = .sizes(parts.flatMap { $0 ?? [] })
      return
    }
    let rank = try context.outputRank()
    let axis = context.resolve(try context.node.int("axis", default: 0), rank: rank)
    if case .places(let place) = context.state(0) { return try joinTuples(&context, place, axis, rank) }
    guard let rows = context.rows(0) else { throw RowMixing("input 0 has no rows") }
    for input in context.states.indices where context.rows(input) ?? (-1, .one) != rows {
      throw RowMixing("input \(input) does not go with the rows of input 0")
    }
    if rows.axis == axis { throw RowMixing("it works along the batch") }
    context.setAll(context.state(0))
  }

  /// Indices whose first is the row's place: what `x[arange(batch), i]` is made of.
  private static func joinTuples(_ context: inout RowContext, _ place: Int, _ axis: Int, _ rank: Int) throws {
    guard axis == rank - 1, place != axis, try context.dimensions(0).last == .known(1) else {
      throw RowMixing("it computes with the places of rows in the batch")
    }
    for input in context.states.indices.dropFirst() where context.rows(input) ?? (-1, .one) != (place, .one) {
      throw RowMixing("input \(input) does not go with the rows of input 0")
    }
    context.setAll(.tuples(axis: place))
  }

  private static func split(_ context: inout RowContext) throws {
    if case .sizes(let elements) = context.state(0) {
      let counts: [Int]
      if context.has(1) {
        counts = try context.numbers(1)
      } else {
        let size = (elements.count + context.outputs.count - 1) / max(1, context.outputs.count)
        counts = context.outputs.indices.map { min(size, max(0, elements.count - $0 * size)) }
      }
      guard counts.count == context.outputs.count, counts.allSatisfy({ $0 >= 0 }),
        counts.reduce(0, +) == elements.count
      else { throw RowMixing("its parts do not fit") }
      var start = 0
      for (index, count) in counts.enumerated() {
        context.outputs[index] = .sizes(Array(elements[start..<start + count]))
        start += count
      }
      return
    }
    if context.state(0).isShared { return try context.expectShared(context.states.indices) }
    try along(&context, fallback: 0)
  }

  private static func slice(_ context: inout RowContext) throws {
    if !context.hasPlaces, let elements = context.elements(0) {
      context.outputs[0] = .sizes(try sliced(context, elements))
      return
    }
    if context.state(0).isShared { return try context.expectShared(1..<context.states.count) }
    guard let rows = context.rows(0) else { throw RowMixing("it computes with the batch size") }
    let rank = try context.rank(0)
    if !context.has(3) {
      // Axes in order, as many as there are starts.
      guard let count = try context.dimensions(1).first?.extent, count <= rows.axis else {
        return try expectWholeBatch(&context, position: rows.axis)
      }
      try context.expectShared(1..<context.states.count)
    } else if let position = try context.numbers(3).firstIndex(where: {
      context.resolve($0, rank: rank) == rows.axis
    }) {
      return try expectWholeBatch(&context, position: position)
    }
    try context.expectShared(1..<context.states.count)
    context.setAll(context.state(0))
  }

  /// What exporters write for the end of an axis, or more.
  private static let wholeExtent = 1_000_000_000

  /// A slice that names the batch's axis but takes all of it.
  private static func expectWholeBatch(_ context: inout RowContext, position: Int) throws {
    func element(_ input: Int) -> Extent? {
      guard let elements = context.elements(input), elements.indices.contains(position) else { return nil }
      return elements[position]
    }
    for input in 1...2 {
      let others = (context.elements(input) ?? [nil]).enumerated().filter { $0.offset != position }
      if !others.allSatisfy({ $0.element?.isFree ?? false }) { throw RowMixing("its bounds are not known") }
    }
    let end = element(2)
    let isWhole =
      (end?.number ?? 0) >= wholeExtent || (end != nil && end == context.rows(0)?.width.times(.batch))
    guard isWhole, element(1)?.number == 0, !context.has(4) || element(4)?.number == 1 else {
      throw RowMixing("it works along the batch")
    }
    context.setAll(context.state(0))
  }

  private static func sliced(_ context: RowContext, _ elements: [Extent?]) throws -> [Extent?] {
    let count = elements.count
    func place(_ value: Int) -> Int { min(max(value < 0 ? value + count : value, 0), count) }
    let (starts, ends) = (try context.numbers(1), try context.numbers(2))
    guard starts.count == 1, ends.count == 1, try !context.has(4) || context.numbers(4) == [1] else {
      throw RowMixing("it takes sizes in another order")
    }
    let (start, end) = (place(starts[0]), place(ends[0]))
    return Array(elements[start..<max(start, end)])
  }

  // MARK: Picking

  private static func gather(_ context: inout RowContext) throws {
    if !context.hasPlaces {
      guard let elements = context.elements(0), let indices = context.elements(1) else {
        return try context.expectShared(0..<2)
      }
      context.outputs[0] = .sizes(
        indices.enumerated().map { position, index in
          guard let number = index?.number else {
            let isFree = (index?.isFree ?? false) && elements.allSatisfy { $0?.isFree ?? false }
            return isFree ? context.free(position) : nil
          }
          let place = number < 0 ? number + elements.count : number
          return elements.indices.contains(place) ? elements[place] : nil
        })
      return
    }
    let axis = context.resolve(try context.node.int("axis", default: 0), rank: try context.rank(0))
    switch (context.rows(0), context.rows(1)) {
    case (let rows?, nil):
      try context.expectShared([1])
      if rows.axis == axis { throw RowMixing("it picks along the batch") }
      let shift = try rows.axis < axis ? 0 : context.rank(1) - 1
      context.setAll(.rows(axis: rows.axis + shift, width: rows.width))
    case (nil, let rows?):
      try context.expectShared([0])
      context.setAll(.rows(axis: axis + rows.axis, width: rows.width))
    default: throw RowMixing("it picks rows by data")
    }
  }

  /// Data, indices and updates all have the batch along one axis, which is not the one that is indexed.
  private static func elementwiseIndices(_ context: inout RowContext) throws {
    guard let rows = context.rows(0) else { throw RowMixing("it picks rows by data") }
    for input in context.states.indices where context.rows(input) ?? (-1, .one) != rows {
      throw RowMixing("input \(input) does not go with the rows of input 0")
    }
    let axis = context.resolve(try context.node.int("axis", default: 0), rank: try context.rank(0))
    if axis == rows.axis { throw RowMixing("it picks along the batch") }
    context.setAll(context.state(0))
  }

  private static func gatherND(_ context: inout RowContext) throws {
    let batched = try context.node.int("batch_dims", default: 0)
    if let rows = context.rows(0), rows == context.rows(1) ?? (-1, .one), rows.axis < batched {
      return context.setAll(context.state(0))
    }
    if batched == 0, case .tuples(let axis) = context.state(1), let rows = context.rows(0), rows == (0, .one)
    {
      return context.setAll(.rows(axis: axis, width: .one))
    }
    guard batched == 0, context.rows(0) == nil, let rows = context.rows(1),
      try rows.axis < context.rank(1) - 1
    else { throw RowMixing("it picks rows by data") }
    try context.expectShared([0])
    context.setAll(.rows(axis: rows.axis, width: rows.width))
  }

  private static func oneHot(_ context: inout RowContext) throws {
    let rows = try soleRows(context)
    let rank = try context.rank(0) + 1
    let axis = context.resolve(try context.node.int("axis", default: -1), rank: rank)
    context.setAll(.rows(axis: rows.axis < axis ? rows.axis : rows.axis + 1, width: rows.width))
  }

  private static func reverseSequence(_ context: inout RowContext) throws {
    let axis = try context.node.int("batch_axis", default: 1)
    guard let rows = context.rows(0), rows.axis == axis, let lengths = context.rows(1), lengths.axis == 0,
      lengths.width == rows.width
    else { throw RowMixing("its batch axis is another") }
    context.setAll(context.state(0))
  }

  private static func compress(_ context: inout RowContext) throws {
    guard try context.node.optionalInt("axis") != nil else { throw RowMixing("it works along the batch") }
    try along(&context, fallback: 0)
  }
}
