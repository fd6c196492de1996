import Engine
import GraphIR
import Tensors

/// Small models, built in memory, whose answers are easily worked out.
enum TestModels {
  static func value(_ name: String, _ element: ElementType, _ dimensions: [Dimension]) -> Value {
    Value(name: name, type: .tensor(TensorType(element, dimensions)))
  }

  /// y[batch, 3] = x[batch, 4] · W, with W[i, j] = i + 10 j.
  static func product() throws -> Model {
    var graph = Graph(name: "product")
    let x = graph.addValue(value("x", .float32, [.symbol("batch"), .known(4)]))
    let weights = (0..<12).map { Float($0 / 3 + 10 * ($0 % 3)) }
    let w = graph.addValue(Value(name: "w", constant: try Tensor(shape: [4, 3], weights)))
    let y = graph.addValue(value("y", .float32, [.symbol("batch"), .known(3)]))
    graph.nodes = [Node(name: "product", op: "MatMul", inputs: [x, w], outputs: [y])]
    graph.inputs = [x]
    graph.outputs = [y]
    return Model(graph: graph, irVersion: 10, opsets: ["": 21])
  }

  static func expectedProduct(_ row: [Float]) -> [Float] {
    (0..<3).map { j in (0..<4).reduce(0) { $0 + row[$1] * Float($1 + 10 * j) } }
  }

  /// y[batch, 2] = table[index[batch]], table = [[0, 1], [2, 3], …] of five rows: an index beyond it fails the run.
  static func lookup() throws -> Model {
    var graph = Graph(name: "lookup")
    let table = graph.addValue(
      Value(name: "table", constant: try Tensor(shape: [5, 2], (0..<10).map(Float.init))))
    let index = graph.addValue(value("index", .int64, [.symbol("batch")]))
    let y = graph.addValue(value("y", .float32, [.symbol("batch"), .known(2)]))
    graph.nodes = [
      Node(name: "lookup", op: "Gather", inputs: [table, index], outputs: [y], attributes: ["axis": .int(0)])
    ]
    graph.inputs = [index]
    graph.outputs = [y]
    return Model(graph: graph, irVersion: 10, opsets: ["": 21])
  }

  /// y[batch, width] = -x[batch, width]
  static func negation() -> Model {
    var graph = Graph(name: "negation")
    let x = graph.addValue(value("x", .float32, [.symbol("batch"), .symbol("width")]))
    let y = graph.addValue(value("y", .float32, [.symbol("batch"), .symbol("width")]))
    graph.nodes = [Node(name: "negation", op: "Neg", inputs: [x], outputs: [y])]
    graph.inputs = [x]
    graph.outputs = [y]
    return Model(graph: graph, irVersion: 10, opsets: ["": 21])
  }

  /// y = the sum of every row of x[batch, 4]: rows are not independent.
  static func total() throws -> Model {
    var graph = Graph(name: "total")
    let x = graph.addValue(value("x", .float32, [.symbol("batch"), .known(4)]))
    let axes = graph.addValue(Value(name: "axes", constant: try Tensor(shape: [1], [Int64(0)])))
    let y = graph.addValue(value("y", .float32, [.known(1), .known(4)]))
    graph.nodes = [Node(name: "total", op: "ReduceSum", inputs: [x, axes], outputs: [y])]
    graph.inputs = [x]
    graph.outputs = [y]
    return Model(graph: graph, irVersion: 10, opsets: ["": 21])
  }
}
