import GraphIR
import Tensors
import Testing

@testable import Compression

@Suite struct SyntheticSampleTests {
  /// `ids [batch, tokens]` look up a table of 5 rows, by way of a Cast; a mask is multiplied; `rate` picks a branch.
  private func model() throws -> Model {
    var graph = Graph(name: "test")
    func input(_ name: String, _ type: ElementType, _ dimensions: [Dimension]) -> ValueID {
      let id = graph.addValue(Value(name: name, type: .tensor(TensorType(type, dimensions))))
      graph.inputs.append(id)
      return id
    }
    func constant(_ name: String, _ tensor: Tensor) -> ValueID {
      graph.addValue(
        Value(name: name, type: .tensor(TensorType(tensor.type, shape: tensor.shape)), constant: tensor))
    }
    func node(_ op: OperatorName, _ name: String, _ inputs: [ValueID], _ attributes: Attributes = [:])
      -> ValueID
    {
      let output = graph.addValue(Value(name: "\(name).out"))
      graph.nodes.append(Node(name: name, op: op, inputs: inputs, outputs: [output], attributes: attributes))
      return output
    }
    let ids = input("ids", .int32, [.symbol("batch"), .symbol("tokens")])
    let mask = input("attention_mask", .int64, [.symbol("batch"), .symbol("tokens")])
    let table = constant("table", try Tensor(shape: [5, 4], TestModels.numbers(20, seed: 1)))
    let whole = node("Cast", "cast", [ids], ["to": .int(7)])
    let rows = node("Gather", "embed", [table, whole])
    let float = node("Cast", "mask", [mask], ["to": .int(1)])
    let axes = constant("axes", try Tensor(shape: [1], [2] as [Int64]))
    let wide = node("Unsqueeze", "wide", [float, axes])
    let y = node("Mul", "y", [rows, wide])
    graph[y].type = .tensor(TensorType(.float32, [.symbol("batch"), .symbol("tokens"), .known(4)]))
    graph.outputs = [y]
    return Model(graph: graph, irVersion: 8, opsets: ["": 17])
  }

  @Test func tokensStayBelowTheRowsOfTheirTable() throws {
    let model = try model()
    #expect(InputMeaning.find(in: model) == ["ids": .index(rows: 5)])
    let samples = try #require(try SyntheticSamples(model, ModelRunner(model, TestModels.resources())))
    let ids = try #require(samples.dataset.arrays["ids"]).array(of: Int32.self)
    #expect(Set(ids) == [0, 1, 2, 3, 4])
    #expect(
      try #require(samples.dataset.arrays["attention_mask"]).array(of: Int64.self).allSatisfy { $0 == 1 })
    #expect(samples.extent == 64)
    #expect(samples.dataset.rows == 32)
  }

  @Test func knownExtentsAreKept() throws {
    let model = try TestModels.cnn()
    let samples = try #require(try SyntheticSamples(model, ModelRunner(model, TestModels.resources())))
    #expect(samples.extent == nil)
    #expect(samples.dataset.arrays["x"]?.shape == [32, 2, 6, 6])
  }

  /// A model whose state has its batch elsewhere takes one row a call.
  @Test func statesAreOfOneRow() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .known(4)])
    let state = builder.input("state", [.known(2), .symbol("batch"), .known(4)])
    let y = builder.node("Add", "y", [state, x])
    let model = builder.model(output: y, [.known(2), .symbol("batch"), .known(4)])
    let samples = try #require(try SyntheticSamples(model, ModelRunner(model, TestModels.resources())))
    #expect(samples.dataset.arrays["state"]?.shape == [32, 2, 1, 4])
    #expect(samples.dataset.arrays["x"]?.shape == [32, 1, 4])
  }

  /// Where only 128 elements fit a fixed reshaping, that extent is found.
  @Test func openExtentsAreTried() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", [.symbol("batch"), .symbol("width")])
    let shape = builder.constant("shape", try Tensor(shape: [3], [-1, 8, 16] as [Int64]))
    let reshaped = builder.node("Reshape", "reshape", [x, shape])
    let weight = try builder.constant("weight", [128, 3], seed: 3)
    let flat = builder.node("Flatten", "flat", [reshaped])
    let y = builder.node("MatMul", "mm", [flat, weight])
    let model = builder.model(output: y, [.symbol("rows"), .known(3)])
    let samples = try #require(try SyntheticSamples(model, ModelRunner(model, TestModels.resources())))
    #expect(samples.extent != nil)
    let output = try Compressor.run(
      CompressionInput(
        model: model, fileBytes: try model.serialized().count, sourceSHA256: "0",
        recipe: try Recipe.parse(Array(#"{"preset":"balanced"}"#.utf8))), progress: { _ in true })
    #expect(output.report.evidence == .synthetic)
    #expect(output.report.notes.contains { $0.contains("open extents taken as") })
    #expect(output.report.layers.allSatisfy { layer in layer.methods.allSatisfy { !$0.contains("static") } })
  }
}
