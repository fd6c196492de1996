import GraphIR
import Tensors

/// Values that are written where a Concat along the last axis would copy them: pixels (all axes but the last) lie as far
/// apart as in the joined tensor. Chains of Concats, as in a dense block, share the memory of the last one.
struct PixelParts {
  struct Part {
    /// The joined tensor, which is not part of another one.
    let whole: ValueID
    /// Elements before it in a pixel, and elements of a whole pixel.
    let offset: Int
    let stride: Int
  }

  private(set) var parts: [ValueID: Part] = [:]

  private struct Read {
    let step: Int
    let input: Int
  }

  private let planner: Planner
  private let steps: [DraftStep]
  private var writers: [ValueID: Int] = [:]
  private var readers: [ValueID: [Read]] = [:]
  private let graphPorts: Set<ValueID>

  /// - Parameter isAlone: whether no view shares the memory of a value.
  init(_ planner: Planner, _ steps: [DraftStep], isAlone: (ValueID) -> Bool) {
    self.planner = planner
    self.steps = steps
    let graph = planner.program.graph
    graphPorts = Set(graph.inputs + graph.outputs)
    guard steps.contains(where: { joinsPixels($0) }) else { return }
    for (index, step) in steps.enumerated() {
      let node = planner.program.nodes[step.node].node
      for id in node.outputs where !id.isNone { writers[id] = index }
      for (input, id) in node.inputs.enumerated() where !id.isNone {
        readers[id, default: []].append(Read(step: index, input: input))
      }
    }
    // The last ones first, so that each finds the whole that it is itself part of.
    for (index, step) in steps.enumerated().reversed() where joinsPixels(step) {
      place(index, step, isAlone)
    }
  }

  private func implementation(_ step: DraftStep) -> (any ShapedOperator)? {
    guard !step.isDynamic, case .shaped(let op) = planner.program.nodes[step.node].runner.implementation
    else {
      return nil
    }
    return op
  }

  private func joinsPixels(_ step: DraftStep) -> Bool {
    guard let concat = implementation(step) as? ConcatOperator, let output = step.outputs[0] else {
      return false
    }
    return concat.joinsPixels(output.shape)
  }

  private mutating func place(_ index: Int, _ step: DraftStep, _ isAlone: (ValueID) -> Bool) {
    let node = planner.program.nodes[step.node].node
    guard let channels = step.outputs[0]?.shape.dimensions.last else { return }
    let own = parts[node.outputs[0]] ?? Part(whole: node.outputs[0], offset: 0, stride: channels)
    var offset = own.offset
    for (input, id) in node.inputs.enumerated() {
      guard let extent = step.inputs[input]?.shape.dimensions.last else { return }
      if parts[id] == nil, !graphPorts.contains(id), isAlone(id), mayBePart(id) {
        parts[id] = Part(whole: own.whole, offset: offset, stride: own.stride)
      }
      offset += extent
    }
  }

  /// Whether what writes and what reads `id` can leave gaps between pixels.
  private func mayBePart(_ id: ValueID) -> Bool {
    guard let writer = writers[id], planner.program.nodes[steps[writer].node].node.outputs.count == 1,
      implementation(steps[writer])?.writesPixels == true
    else { return false }
    let reads = readers[id] ?? []
    return reads.allSatisfy { implementation(steps[$0.step])?.readsPixels($0.input) == true }
      // Twice in one Concat it would have two places.
      && Set(reads.map(\.step)).count == reads.count
  }

  func strides(of node: Node) -> PixelStrides {
    PixelStrides(
      inputs: node.inputs.map { parts[$0]?.stride },
      output: node.outputs.first.flatMap { parts[$0]?.stride })
  }
}
