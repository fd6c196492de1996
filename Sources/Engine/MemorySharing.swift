import GraphIR
import Tensors

/// Decides which values share a block of memory, and from which step to which each block is needed.
///
/// Views share the block of what they view. A result may take over the block of an input that is not read
/// later. What a Concat of pixels joins is written into its block (`PixelParts`). Blocks of graph inputs and outputs are left alone from the first step to the last: a caller may
/// fill inputs once and run many times.
struct MemorySharing {
  /// The steps that compute something: those of the planner without views.
  private(set) var steps: [DraftStep] = []
  private(set) var blocks: [Lifetime] = []
  var blockCount: Int { blocks.count }
  private(set) var pixels: PixelParts

  private let planner: Planner
  /// Index into `blocks` by value, -1 for values that have none.
  private var blockOf: [Int]
  private let end: Int

  init(_ planner: Planner) {
    self.planner = planner
    blockOf = Array(repeating: -1, count: planner.facts.count)
    pixels = PixelParts(planner, []) { _ in true }
    end = max(0, planner.steps.count - 1)
    let graph = planner.program.graph
    for id in graph.inputs { addBlock(id, first: 0, last: end) }
    for step in planner.steps { add(step) }
    for id in graph.outputs where blockOf[Int(id.index)] >= 0 {
      blocks[blockOf[Int(id.index)]].last = end
    }
    joinPixels()
    shareInPlace()
  }

  /// Bytes from the beginning of its block to a value.
  func byteOffset(of id: ValueID, _ element: ElementType) -> Int {
    (pixels.parts[id]?.offset ?? 0) * element.bitWidth / 8
  }

  private mutating func joinPixels() {
    var values = [Int](repeating: 0, count: blocks.count)
    for block in blockOf where block >= 0 { values[block] += 1 }
    let blockOf = blockOf
    pixels = PixelParts(planner, steps) { id in
      let block = blockOf[Int(id.index)]
      return block >= 0 && values[block] == 1
    }
    for (id, part) in pixels.parts {
      let (own, whole) = (blockOf[Int(id.index)], blockOf[Int(part.whole.index)])
      blocks[whole].first = min(blocks[whole].first, blocks[own].first)
      blocks[whole].last = max(blocks[whole].last, blocks[own].last)
      blocks[own].bytes = 0
      self.blockOf[Int(id.index)] = whole
    }
  }

  func block(of id: ValueID) -> Int { blockOf[Int(id.index)] }

  private mutating func addBlock(_ id: ValueID, first: Int, last: Int) {
    guard case .shaped(let type) = planner.fact(id) else { return }
    blockOf[Int(id.index)] = blocks.count
    blocks.append(Lifetime(bytes: type.byteCount, first: first, last: last))
  }

  private mutating func add(_ step: DraftStep) {
    let node = planner.program.nodes[step.node].node
    if let viewed = viewed(step, node) {
      blockOf[Int(node.outputs[0].index)] = viewed
      return
    }
    let position = steps.count
    steps.append(step)
    for id in node.inputs where !id.isNone && blockOf[Int(id.index)] >= 0 {
      let block = blockOf[Int(id.index)]
      blocks[block].last = max(blocks[block].last, position)
    }
    for id in node.outputs where !id.isNone { addBlock(id, first: position, last: position) }
  }

  /// The block that the output of a view has: that of its input.
  private func viewed(_ step: DraftStep, _ node: Node) -> Int? {
    guard !step.isDynamic, case .shaped(let op) = planner.program.nodes[step.node].runner.implementation,
      op.isView
    else { return nil }
    let block = blockOf[Int(node.inputs[0].index)]
    return block >= 0 ? block : nil
  }

  private mutating func shareInPlace() {
    for (position, step) in steps.enumerated() {
      let compiled = planner.program.nodes[step.node]
      guard !step.isDynamic, compiled.node.outputs.count == 1, let output = step.outputs[0],
        case .shaped(let op) = compiled.runner.implementation
      else { continue }
      if pixels.parts[compiled.node.outputs[0]] != nil { continue }
      for input in op.inPlaceInputs where input < step.inputs.count {
        if canTakeOver(input, of: step, compiled.node, output, position) {
          merge(compiled.node.outputs[0], into: blockOf[Int(compiled.node.inputs[input].index)])
          break
        }
      }
    }
  }

  private func canTakeOver(
    _ input: Int, of step: DraftStep, _ node: Node, _ output: OperandType, _ position: Int
  ) -> Bool {
    guard let type = step.inputs[input], type.shape == output.shape,
      type.element.bitWidth == output.element.bitWidth
    else { return false }
    let block = blockOf[Int(node.inputs[input].index)]
    guard block >= 0, blocks[block].last == position, !isPinned(block),
      pixels.parts[node.inputs[input]] == nil
    else { return false }
    // Another input in the same block must be read at the same places.
    return zip(node.inputs, step.inputs).allSatisfy { id, other in
      id.isNone || blockOf[Int(id.index)] != block || other?.shape == output.shape
    }
  }

  private func isPinned(_ block: Int) -> Bool {
    let graph = planner.program.graph
    return graph.inputs.contains { blockOf[Int($0.index)] == block }
      || graph.outputs.contains { blockOf[Int($0.index)] == block }
  }

  private mutating func merge(_ output: ValueID, into block: Int) {
    let old = blockOf[Int(output.index)]
    blocks[block].last = max(blocks[block].last, blocks[old].last)
    blocks[old].bytes = 0
    // Views of the output share its block too.
    for index in blockOf.indices where blockOf[index] == old { blockOf[index] = block }
  }
}
