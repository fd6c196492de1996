import Tensors

extension RowRules {
  static let recurrentRules = family(["RNN", "GRU", "LSTM"], recurrent)

  /// X and the states have the batch along axis 1, or 0 with layout 1; weights are the same for all rows.
  static func recurrent(_ context: inout RowContext) throws {
    let isBatchFirst = try context.node.flag("layout")
    let axis = isBatchFirst ? 0 : 1
    guard let rows = context.rows(0), rows.axis == axis else {
      throw RowMixing("its time axis is the batch, or its states are")
    }
    try context.expectShared([1, 2, 3])
    for (input, place) in [(4, 0), (5, axis), (6, axis)] where context.has(input) {
      guard let state = context.rows(input), state.axis == place, state.width == rows.width else {
        throw RowMixing("input \(input) does not go with the rows of input 0")
      }
    }
    try context.expectShared(7..<max(7, context.states.count))
    // Y is [time, directions, batch, hidden], or [batch, time, directions, hidden].
    for index in context.outputs.indices {
      let place = isBatchFirst ? 0 : index == 0 ? 2 : 1
      context.outputs[index] = .rows(axis: place, width: rows.width)
    }
  }
}
