import Tensors

/// What a `RowRule` knows about one node, and where it puts the states of the outputs.
public struct RowContext {
  public let node: Node
  let graph: Graph
  /// `.shared` for omitted inputs.
  let states: [RowState]
  var outputs: [RowState]
  let analysis: RowAnalysis
  /// The state of a value of this graph, for what sub-graphs read of it.
  var captured: (ValueID) -> RowState = { _ in .shared }

  // MARK: Inputs

  func has(_ input: Int) -> Bool { node.hasInput(input) }
  func state(_ input: Int) -> RowState { has(input) ? states[input] : .shared }

  /// True when some input has the batch along an axis.
  var hasPlaces: Bool { states.indices.contains { state($0).place != nil } }

  func dimensions(_ input: Int) throws -> [Dimension] {
    guard has(input), let dimensions = graph[node.inputs[input]].type?.tensor?.dimensions else {
      throw RowMixing("the rank of input \(input) is not known")
    }
    return dimensions
  }

  func rank(_ input: Int) throws -> Int { try dimensions(input).count }

  func outputRank(_ output: Int = 0) throws -> Int {
    guard node.hasOutput(output), let type = graph[node.outputs[output]].type?.tensor?.dimensions else {
      throw RowMixing("the rank of output \(output) is not known")
    }
    return type.count
  }

  /// The extents of input `input`, with the batch size where its state has it.
  func extents(_ input: Int) throws -> [Extent] {
    try analysis.extents(of: node.inputs[input], dimensions(input), state(input))
  }

  /// The elements of an integer scalar or vector, as far as known.
  func elements(_ input: Int) -> [Extent?]? {
    guard has(input) else { return nil }
    if case .sizes(let elements) = states[input] { return elements }
    guard let constant = graph.constant(node.inputs[input]), constant.shape.rank <= 1,
      constant.elementCount <= RowAnalysis.longestVector
    else { return nil }
    return constant.integers?.map { Extent($0) }
  }

  /// All elements of an integer scalar or vector, which must be numbers.
  func numbers(_ input: Int) throws -> [Int] {
    let numbers = elements(input)?.map { $0?.number }
    guard let numbers, numbers.allSatisfy({ $0 != nil }) else {
      throw RowMixing("the elements of input \(input) are not known before the run")
    }
    return numbers.compactMap { $0 }
  }

  /// Where the rows of input `input` lie, when it has any.
  func rows(_ input: Int) -> (axis: Int, width: Extent)? {
    if case .rows(let axis, let width) = state(input) { (axis, width) } else { nil }
  }

  /// Input 0, which holds rows or their places, and the axis they lie along.
  func movable() throws -> (state: RowState, axis: Int) {
    guard let place = state(0).place, state(0).moved(to: 0) != nil else {
      throw RowMixing("it computes with the batch size")
    }
    return (state(0), place.axis)
  }

  /// - Throws: `RowMixing` when one of `inputs` changes with the batch.
  func expectShared(_ inputs: some Sequence<Int>) throws {
    for input in inputs where !state(input).isShared {
      throw RowMixing("input \(input) differs from row to row")
    }
  }

  /// `axis` counted from the front.
  func resolve(_ axis: Int, rank: Int) -> Int { axis < 0 ? axis + rank : axis }

  // MARK: Outputs

  /// Output 0 is input 0 with its rows along another axis.
  mutating func move(to axis: Int) throws {
    guard let moved = state(0).moved(to: axis) else { throw RowMixing("it computes with the batch size") }
    outputs[0] = moved
  }

  mutating func setAll(_ state: RowState) {
    for index in outputs.indices { outputs[index] = state }
  }
}
