import Engine
import GraphIR
import Tensors

/// Runs one node as a model of its own.
enum OperatorRunner {
  /// - Parameters:
  ///   - inputs: nil for an omitted input. All are inputs of the model, except those in `constants`.
  ///   - constants: which inputs are initializers.
  static func run(
    _ op: OperatorName, _ inputs: [Tensor?], outputs: Int = 1, _ attributes: Attributes = [:],
    constants: Set<Int> = [], threads: Int = 1
  ) throws -> [Tensor] {
    var graph = Graph(name: "operator")
    var provided: [Tensor] = []
    let ids = inputs.enumerated().map { index, tensor -> ValueID in
      guard let tensor else { return .none }
      // Extents stay open, so that planning has to find the shapes.
      let type = TensorType(tensor.type, tensor.shape.dimensions.map { _ in .unknown })
      let id = graph.addValue(Value(name: "input\(index)", type: .tensor(type)))
      if constants.contains(index) {
        graph[id].type = nil
        graph[id].constant = tensor
      } else {
        graph.inputs.append(id)
        provided.append(tensor)
      }
      return id
    }
    graph.outputs = (0..<outputs).map { graph.addValue(Value(name: "output\($0)")) }
    graph.nodes = [Node(name: "n", op: op, inputs: ids, outputs: graph.outputs, attributes: attributes)]
    let model = Model(graph: graph, irVersion: 10, opsets: ["": Model.opsetVersions.upperBound])
    let session = Session(try Program.compile(model), team: ThreadTeam(threads: threads))
    return try session.run(provided)
  }
}

/// Short forms for tables of cases.
func floats(_ shape: Shape, _ values: [Float]) -> Tensor { try! Tensor(shape: shape, values) }
func ints(_ shape: Shape, _ values: [Int]) -> Tensor { try! Tensor(shape: shape, values) }
func ints(_ values: Int...) -> Tensor { try! Tensor(shape: [values.count], values) }
func bools(_ values: Bool...) -> Tensor { try! Tensor(shape: [values.count], values) }
func scalar(_ value: Int) -> Tensor { try! Tensor(scalar: value) }
func counting(_ shape: Shape) -> Tensor { floats(shape, (0..<shape.elementCount).map { Float($0) }) }
