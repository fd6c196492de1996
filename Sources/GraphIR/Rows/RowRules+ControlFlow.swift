import Tensors

extension RowRules {
  static let controlFlowRules =
    family(["If"], branch)
    .merging(family(["Loop"], loop)) { $1 }
    .merging(family(["Scan"], scan)) { $1 }

  /// Both branches must treat rows alike, and the condition may not differ from row to row.
  private static func branch(_ context: inout RowContext) throws {
    try context.expectShared([0])
    let taken = try outputs(of: context.node.graph("then_branch"), [], context)
    let other = try outputs(of: context.node.graph("else_branch"), [], context)
    guard taken.count == context.outputs.count, other.count == taken.count else {
      throw RowMixing("its branches give different numbers of outputs")
    }
    for (index, state) in taken.enumerated() {
      if state != other[index] {
        if !state.isShared || !other[index].isShared {
          throw RowMixing("its branches treat rows differently")
        }
        context.outputs[index] = .shared
      } else {
        context.outputs[index] = state
      }
    }
  }

  private static func outputs(
    of body: Graph, _ inputs: [RowState], _ context: RowContext
  ) throws -> [RowState] {
    guard inputs.count == body.inputs.count else { throw RowMixing("its body takes other inputs") }
    var given = Dictionary(uniqueKeysWithValues: zip(body.inputs, inputs))
    for capture in body.captures { given[capture.inner] = context.captured(capture.outer) }
    let states = try context.analysis.inner(of: context.node).walk(body, given)
    return body.outputs.map { states[Int($0.index)] }
  }

  /// How often it turns may not depend on rows, and each turn must leave the state's rows where they were.
  private static func loop(_ context: inout RowContext) throws {
    let body = try context.node.graph("body")
    try context.expectShared(0..<2)
    let initial = (2..<max(2, body.inputs.count)).map { stable(context.state($0)) }
    let results = try outputs(of: body, [.shared, .shared] + initial, context)
    guard let goesOn = results.first, goesOn.isShared else {
      throw RowMixing("rows decide how often it turns")
    }
    try passOn(&context, initial, Array(results.dropFirst()), scanAxes: [])
  }

  /// Sizes that change from turn to turn are not followed.
  private static func stable(_ state: RowState) -> RowState {
    if case .sizes = state, state.isShared { .shared } else { state }
  }

  private static func passOn(
    _ context: inout RowContext, _ initial: [RowState], _ results: [RowState], scanAxes: [Int]
  ) throws {
    guard results.count == context.outputs.count else { throw RowMixing("its body gives other outputs") }
    for (index, result) in results.enumerated() {
      if index < initial.count {
        if stable(result) != initial[index] {
          throw RowMixing("its state changes how it depends on the batch")
        }
        context.outputs[index] = initial[index]
        continue
      }
      let scan = index - initial.count
      guard case .rows(let axis, let width) = result else {
        if !result.isShared { throw RowMixing("it collects the batch size") }
        context.outputs[index] = .shared
        continue
      }
      let rank = try context.outputRank(index)
      let place = scan < scanAxes.count ? context.resolve(scanAxes[scan], rank: rank) : 0
      context.outputs[index] = .rows(axis: axis < place ? axis : axis + 1, width: width)
    }
  }

  private static func scan(_ context: inout RowContext) throws {
    let body = try context.node.graph("body")
    let scanned = try context.node.requiredInt("num_scan_inputs")
    let listed = body.inputs.count
    let carried = listed - scanned
    guard carried >= 0, listed <= context.states.count else { throw RowMixing("its inputs do not fit") }
    let axes = try context.node.ints("scan_input_axes") ?? Array(repeating: 0, count: scanned)
    guard axes.count == scanned else { throw RowMixing("its axes do not fit") }
    let initial = (0..<carried).map { stable(context.state($0)) }
    let slices = try (0..<scanned).map { position -> RowState in
      let input = carried + position
      let axis = context.resolve(axes[position], rank: try context.rank(input))
      guard let rows = context.rows(input) else {
        try context.expectShared([input])
        return .shared
      }
      if rows.axis == axis { throw RowMixing("it works along the batch") }
      return .rows(axis: rows.axis < axis ? rows.axis : rows.axis - 1, width: rows.width)
    }
    let results = try outputs(of: body, initial + slices, context)
    try passOn(&context, initial, results, scanAxes: context.node.ints("scan_output_axes") ?? [])
  }
}
