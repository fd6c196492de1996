import Tensors

/// Operators that make sizes of extents or compute with them.
extension RowRules {
  static let sizeRules =
    family(["Shape"], shape)
    .merging(family(["Size"]) { $0.outputs[0] = .sizes([Extent.product(try $0.extents(0))]) }) { $1 }
    .merging(family(["Identity"]) { $0.setAll($0.state(0)) }) { $1 }
    .merging(family(["Cast"], cast)) { $1 }
    .merging(family(["Add"]) { try arithmetic(&$0, sum) }) { $1 }
    .merging(family(["Sub"]) { try arithmetic(&$0, difference) }) { $1 }
    .merging(family(["Mul"]) { try arithmetic(&$0) { $0.times($1) } }) { $1 }
    .merging(family(["Div"]) { try arithmetic(&$0) { $0.divided(by: $1) } }) { $1 }
    .merging(family(["Equal"]) { try arithmetic(&$0, equality) }) { $1 }
    .merging(family(["Where"], choice)) { $1 }
    .merging(family(["ReduceProd"], product)) { $1 }
    .merging(family(["Range"], range)) { $1 }

  private static func shape(_ context: inout RowContext) throws {
    if case .tensor(let type)? = context.graph[context.node.inputs[0]].type, type.dimensions == nil {
      // Without a rank there are no rows, as the walk has checked.
      try context.expectShared([0])
      return
    }
    let extents = try context.extents(0)
    func place(_ name: String, _ fallback: Int) throws -> Int {
      let place = try context.node.int(name, default: fallback)
      return min(max(place < 0 ? place + extents.count : place, 0), extents.count)
    }
    let (start, end) = (try place("start", 0), try place("end", extents.count))
    context.outputs[0] = .sizes(Array(extents[start..<max(start, end)]))
  }

  private static func cast(_ context: inout RowContext) throws {
    let type = try context.node.elementType("to")
    if case .sizes = context.state(0), type != .int64, type != .int32, type != .bool {
      try context.expectShared([0])
    } else {
      context.setAll(context.state(0))
    }
  }

  // MARK: Arithmetic

  /// Rows are broadcast; sizes are computed element by element. `compute` gives nil for what is no product.
  private static func arithmetic(
    _ context: inout RowContext, _ compute: (Extent, Extent) -> Extent?
  ) throws {
    if context.hasPlaces { return try broadcast(&context) }
    guard let left = context.elements(0), let right = context.elements(1),
      left.count == right.count || left.count == 1 || right.count == 1
    else { return try context.expectShared(0..<2) }
    let count = left.count == 1 ? right.count : left.count
    context.outputs[0] = .sizes(
      (0..<count).map { index in
        let (a, b) = (left[left.count == 1 ? 0 : index], right[right.count == 1 ? 0 : index])
        guard let a, let b else { return nil }
        return compute(a, b) ?? (a.isFree && b.isFree ? context.free(index) : nil)
      })
  }

  private static func sum(_ a: Extent, _ b: Extent) -> Extent? {
    if a.number == 0 { return b }
    if b.number == 0 { return a }
    guard let x = a.number, let y = b.number else { return nil }
    let (sum, overflow) = x.addingReportingOverflow(y)
    return overflow ? nil : Extent(sum)
  }

  private static func difference(_ a: Extent, _ b: Extent) -> Extent? {
    if b.number == 0 { return a }
    guard let x = a.number, let y = b.number else { return nil }
    let (difference, overflow) = x.subtractingReportingOverflow(y)
    return overflow ? nil : Extent(difference)
  }

  /// 1 or 0. Batch sizes are positive.
  private static func equality(_ a: Extent, _ b: Extent) -> Extent? {
    if a == b { return Extent(1) }
    if let x = a.number, let y = b.number { return Extent(x == y ? 1 : 0) }
    func isPositive(_ extent: Extent) -> Bool { extent.factors.isEmpty && extent.coefficient > 0 }
    if let x = a.number, x <= 0, isPositive(b) { return Extent(0) }
    if let y = b.number, y <= 0, isPositive(a) { return Extent(0) }
    return nil
  }

  private static func choice(_ context: inout RowContext) throws {
    if context.hasPlaces { return try broadcast(&context) }
    guard let conditions = context.conditions(0), let left = context.elements(1),
      let right = context.elements(2)
    else { return try context.expectShared(0..<3) }
    let count = max(conditions.count, left.count, right.count)
    for list in [conditions, left, right] where list.count != count && list.count != 1 {
      return try context.expectShared(0..<3)
    }
    context.outputs[0] = .sizes(
      (0..<count).map { index in
        let a = left[left.count == 1 ? 0 : index]
        let b = right[right.count == 1 ? 0 : index]
        let condition = conditions[conditions.count == 1 ? 0 : index]
        if let number = condition?.number { return number != 0 ? a : b }
        if a == b { return a }
        let isFree = [condition, a, b].allSatisfy { $0?.isFree ?? false }
        return isFree ? context.free(index) : nil
      })
  }

  /// 0, 1, 2 … up to the batch size: the place of each row.
  private static func range(_ context: inout RowContext) throws {
    guard context.elements(0) == [Extent(0)], context.elements(1) == [.batch], context.elements(2) == [.one]
    else {
      try context.expectShared(0..<3)
      return
    }
    context.outputs[0] = .places(axis: 0)
  }

  private static func product(_ context: inout RowContext) throws {
    if context.hasPlaces { return try reduction(&context) }
    guard let elements = context.elements(0), elements.allSatisfy({ $0 != nil }) else {
      return try context.expectShared([0])
    }
    context.outputs[0] = .sizes([Extent.product(elements.compactMap { $0 })])
  }
}

extension RowContext {
  /// A size that is the same for all batches and about which nothing else is known.
  func free(_ index: Int) -> Extent {
    Extent(factors: ["\(analysis.scope)\(node.outputs[0].index)?\(index)"])
  }

  /// The elements of a boolean scalar or vector as 1 and 0, as far as known.
  func conditions(_ input: Int) -> [Extent?]? {
    if let elements = elements(input) { return elements }
    guard has(input), let constant = graph.constant(node.inputs[input]), constant.type == .bool,
      constant.shape.rank <= 1, constant.elementCount <= RowAnalysis.longestVector
    else { return nil }
    return constant.array(of: Bool.self).map { Extent($0 ? 1 : 0) }
  }
}
