import GraphIR
import Tensors

/// Which groups of channels a step may thin out, and why others stay.
struct ChannelSelection {
  /// Numbers of the groups.
  private(set) var groups: [Int] = []
  /// By the output's name of every layer that gives channels of no chosen group.
  private(set) var reasons: [String: String] = [:]

  /// - Parameter skipped: why the recipe leaves layers out, by the output's name.
  init(
    _ channels: ChannelGroups, _ layers: [WeightLayer], _ graph: Graph, _ step: PruneStep,
    skipped: [String: String]
  ) {
    let wantsHeads = step.structure == .head
    var given: Set<Int> = []
    for (number, group) in channels.groups.enumerated() where group.isHeads == wantsHeads {
      let outputs = group.producers.map { graph[graph.nodes[$0.node].outputs[0]].name }
      for producer in group.producers { given.insert(producer.node) }
      if let excluded = outputs.first(where: { skipped[$0] != nil }) {
        for output in outputs {
          reasons[output] =
            skipped[output] ?? "its channels go together with those of '\(excluded)', which is not selected"
        }
        continue
      }
      groups.append(number)
    }
    for layer in layers where layer.path.steps.isEmpty && !given.contains(layer.node) {
      let output = graph[layer.output].name
      reasons[output] =
        skipped[output]
        ?? (wantsHeads
          ? "gives no attention heads" : Self.obstacle(of: layer, channels, graph, GraphIndex(graph)))
    }
  }

  /// What keeps the channels that a layer gives: the first operator behind it that needs all of them.
  private static func obstacle(
    of layer: WeightLayer, _ channels: ChannelGroups, _ graph: Graph, _ index: GraphIndex
  ) -> String {
    var seen: Set<ValueID> = [layer.output]
    var open = [layer.output]
    while let value = open.popLast() {
      if index.isGraphOutput(value) { return "its channels are those of output '\(graph[value].name)'" }
      for use in index.uses[value] ?? [] {
        if let reason = channels.reasons[use.node] { return reason }
        let node = graph.nodes[use.node]
        let isProduct = ["Conv", "ConvTranspose", "Gemm", "MatMul"].contains(node.op.type)
        if isProduct && node.inputs.count > 1 && graph.constant(node.inputs[1]) != nil { continue }
        for output in node.outputs where !output.isNone && seen.insert(output).inserted {
          open.append(output)
        }
      }
    }
    return "its channels reach an operator that needs all of them"
  }
}

extension ChannelGroup {
  /// True when every channel is a run of features on the axes of the products that give it: a head.
  var isHeads: Bool {
    producers.allSatisfy { producer in
      places[producer.place].positions.allSatisfy { positions in
        guard let first = positions.first, positions.count > 1 else { return false }
        // Queries, keys and values of one product are three runs.
        let length = positions.indices.first { positions[$0] != first + $0 } ?? positions.count
        return length > 1
      }
    }
  }

  /// What kept counts are multiples of: heads are wide enough by themselves.
  var multiple: Int { isHeads ? 1 : ChannelImportance.multiple }
}
