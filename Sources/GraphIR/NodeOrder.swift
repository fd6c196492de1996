extension Node {
  /// The values of the graph around it that this node's sub-graphs read.
  public var capturedValues: [ValueID] {
    var values: [ValueID] = []
    for (_, attribute) in attributes.entries {
      switch attribute {
      case .graph(let graph): values += graph.captures.map(\.outer)
      case .graphs(let graphs): for graph in graphs { values += graph.captures.map(\.outer) }
      default: break
      }
    }
    return values
  }
}

extension Graph {
  /// Orders the nodes so that every value is provided before it is read; leaves them alone when they are so
  /// already.
  /// - Throws: `GraphError.cycle`.
  public mutating func sortNodes() throws(GraphError) {
    var producers = [Int32](repeating: -1, count: values.count)
    for (index, node) in nodes.enumerated() {
      for output in node.outputs where !output.isNone { producers[Int(output.index)] = Int32(index) }
    }
    let dependencies = nodes.map { node in
      (node.inputs + node.capturedValues).compactMap { id -> Int? in
        if id.isNone { return nil }
        let producer = Int(producers[Int(id.index)])
        return producer < 0 ? nil : producer
      }
    }
    let isSorted = dependencies.enumerated().allSatisfy { index, sources in sources.allSatisfy { $0 < index }
    }
    if isSorted { return }
    let order = try depthFirstOrder(dependencies)
    nodes = order.map { nodes[$0] }
  }

  /// Dependencies before dependents, otherwise in the order of the nodes. Own stack: graphs may be deep.
  private func depthFirstOrder(_ dependencies: [[Int]]) throws(GraphError) -> [Int] {
    enum Mark { case new, open, done }
    var marks = [Mark](repeating: .new, count: nodes.count)
    var order: [Int] = []
    var stack: [(node: Int, next: Int)] = []
    for start in nodes.indices where marks[start] == .new {
      marks[start] = .open
      stack.append((start, 0))
      while let (node, next) = stack.last {
        if next == dependencies[node].count {
          marks[node] = .done
          order.append(node)
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].next += 1
        let source = dependencies[node][next]
        switch marks[source] {
        case .done: break
        case .open: throw .cycle(graph: name, node: label(of: nodes[source]))
        case .new:
          marks[source] = .open
          stack.append((source, 0))
        }
      }
    }
    return order
  }
}
