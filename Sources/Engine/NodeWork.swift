import GraphIR
import Tensors

/// What one node has to do for some input shapes: what its time is measured against.
public struct NodeWork: Sendable, Hashable {
  /// Multiplications with addition of products and convolutions; weights that are zero count.
  public var multiplyAccumulates = 0
  /// Bytes of all inputs and outputs, each read or written once.
  public var bytes = 0

  public init(multiplyAccumulates: Int = 0, bytes: Int = 0) {
    self.multiplyAccumulates = multiplyAccumulates
    self.bytes = bytes
  }

  init(_ step: DraftStep, _ node: Node) {
    multiplyAccumulates = Program.multiplyAccumulates(step, node)
    bytes = (step.inputs + step.outputs).reduce(0) { $0 + ($1?.byteCount ?? 0) }
  }
}

extension Program {
  /// The work of every node of a run with inputs of these shapes, by the node's place; none for nodes that do not
  /// run, and only as far as shapes are known before the run.
  /// - Throws: `EngineError` when the shapes do not fit the inputs.
  func work(_ shapes: [Shape]) throws(EngineError) -> [Int: NodeWork] {
    try InputCheck.shapes(shapes, self)
    var planner = Planner(self, shapes: shapes, team: ThreadTeam(threads: 1))
    try planner.walk()
    return Dictionary(
      uniqueKeysWithValues: planner.steps.map { ($0.node, NodeWork($0, nodes[$0.node].node)) })
  }
}
