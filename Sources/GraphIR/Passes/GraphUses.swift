import Tensors

/// Who gives and who reads each value of a graph, as of when it was made.
public struct GraphUses {
  /// The node that gives each value; nil for inputs, constants and captured values.
  public private(set) var writer: [Int?]
  /// How often each value is read: by nodes, by sub-graphs, as an output of the graph.
  public private(set) var readCount: [Int]
  public private(set) var isOutput: [Bool]
  private var isInput: [Bool]

  public init(_ graph: Graph) {
    let count = graph.values.count
    writer = Array(repeating: nil, count: count)
    readCount = Array(repeating: 0, count: count)
    isOutput = Array(repeating: false, count: count)
    isInput = Array(repeating: false, count: count)
    for input in graph.inputs { isInput[Int(input.index)] = true }
    for output in graph.outputs {
      isOutput[Int(output.index)] = true
      readCount[Int(output.index)] += 1
    }
    for (index, node) in graph.nodes.enumerated() {
      for output in node.outputs where !output.isNone { writer[Int(output.index)] = index }
      for input in node.inputs where !input.isNone { readCount[Int(input.index)] += 1 }
      for body in node.bodies {
        for capture in body.captures { readCount[Int(capture.outer.index)] += 1 }
      }
    }
  }

  public func writer(of id: ValueID) -> Int? { id.isNone ? nil : writer[Int(id.index)] }
  public func readCount(of id: ValueID) -> Int { id.isNone ? 0 : readCount[Int(id.index)] }
  public func isOutput(_ id: ValueID) -> Bool { !id.isNone && isOutput[Int(id.index)] }

  /// The elements of `id` when no run can change them.
  public func constant(_ id: ValueID, in graph: Graph) -> Tensor? {
    id.isNone || isInput[Int(id.index)] ? nil : graph[id].constant
  }
}
