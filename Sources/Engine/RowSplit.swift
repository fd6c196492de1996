import GraphIR
import Tensors

/// A run whose rows are computed one by one, as each of them then stays in the caches from layer to layer.
///
/// Together, a layer reads its weights once for all rows but sends the values of all rows through memory. So rows part
/// where each weight meets many elements of a single row anyway (convolutions, long sequences). Results are the same
/// bits: no kernel lets a row's result depend on other rows.
struct RowSplit {
  let count: Int
  /// Inputs and outputs of one row, which has a batch extent of 1.
  private(set) var inputs: [OperandType] = []
  private(set) var outputs: [OperandType] = []

  /// Below this, what a layer of the whole batch reads and writes stays in the second cache.
  private static let cacheBytes = 1 << 20
  /// A weight that meets fewer elements of a row is not worth reading for one row alone.
  private static let minimumReuse = 32
  /// Multiply-adds of a row against which reading one such weight again does not count.
  private static let workForWeight = 64
  /// Multiply-adds of a row against which going through the nodes does not count.
  private static let minimumWork = 1 << 20

  private static let recurrent: Set<OperatorName> = [
    "LSTM", "GRU", "RNN", "com.microsoft.DynamicQuantizeLSTM",
  ]

  /// nil when the rows depend on each other, or are faster together.
  init?(_ program: Program, shapes: [Shape], team: ThreadTeam) {
    guard program.batching.isAllowed, !program.quantizesByRequest,
      let count = shapes.first?.dimensions.first, count > 1,
      shapes.allSatisfy({ $0.dimensions.first == count })
    else { return nil }
    let single = shapes.map { Shape([1] + $0.dimensions.dropFirst()) }
    var planner = Planner(program, shapes: single, team: team)
    guard (try? planner.walk()) != nil, Self.isFaster(planner, program, count) else { return nil }
    self.count = count
    guard let inputs = rows(program.graph.inputs, planner), let outputs = rows(program.graph.outputs, planner)
    else { return nil }
    self.inputs = inputs
    self.outputs = outputs
  }

  var shapes: [Shape] { inputs.map(\.shape) }

  /// How many rows are computed one on each thread; the rest, if any, one after the other on all threads, which is
  /// sooner than a last round that leaves most threads idle.
  func rowsOnThreads(of team: ThreadTeam) -> Int {
    let rest = count % team.threads
    return team.threads == 1 ? 0 : rest * 2 > team.threads ? count : count - rest
  }

  /// Their types when all have a place of their own and one row of whole bytes, and all rows together are not too many
  /// bytes.
  private func rows(_ ids: [ValueID], _ planner: Planner) -> [OperandType]? {
    var types: [OperandType] = []
    for id in ids {
      guard case .shaped(let type) = planner.fact(id), type.shape.dimensions.first == 1,
        type.element.bitWidth >= 8, type.byteCount <= planner.program.options.tensorLimit / count
      else { return nil }
      types.append(type)
    }
    return types
  }

  private static func isFaster(_ planner: Planner, _ program: Program, _ count: Int) -> Bool {
    var work = 0
    var largest = 0
    var rarelyUsed = 0
    for step in planner.steps {
      if step.isDynamic { return false }
      let node = program.nodes[step.node].node
      let operations = Program.multiplyAccumulates(step, node)
      var weights = 0
      var bytes = step.outputs.reduce(0) { $0 + ($1?.byteCount ?? 0) }
      for (id, type) in zip(node.inputs, step.inputs) {
        guard let type else { continue }
        if planner.isWeight(id) { weights += type.shape.elementCount } else { bytes += type.byteCount }
      }
      work += operations
      largest = max(largest, bytes)
      // A recurrent weight meets one element of a row at a time and is read again for each.
      if recurrent.contains(node.op) {
        rarelyUsed += operations
      } else if operations > 0 && operations / minimumReuse < weights {
        rarelyUsed += weights
      }
    }
    // What together would be refused for its memory stays together, and is refused.
    return work >= minimumWork && work / workForWeight >= rarelyUsed && largest > cacheBytes / count
      && largest <= program.options.arenaLimit / count
  }
}
