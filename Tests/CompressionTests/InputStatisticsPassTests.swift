import GraphIR
import Tensors
import Testing

@testable import Compression

@Suite struct InputStatisticsPassTests {
  /// One product and its input `x`.
  private func model(
    _ op: OperatorName, _ input: [Dimension], _ weight: Shape, _ attributes: Attributes = [:],
    output: [Dimension]
  ) throws -> Model {
    var builder = GraphBuilder()
    let x = builder.input("x", input)
    let w = try builder.constant("weight", weight, seed: 3)
    let y = builder.node(op, "layer", [x, w], attributes)
    return builder.model(output: y, output)
  }

  private func measure(_ model: Model, _ x: Tensor, _ need: StatisticsNeed) throws -> InputStatistics {
    let layers = LayerScan(model).layers
    let statistics = try InputStatisticsPass.measure(
      layers.map { ($0, need) }, in: model, try Dataset([("x", x)]), memory: 1 << 30, TestModels.resources())
    return try #require(statistics[layers[0].key(in: model.graph)])
  }

  private static let batch = Dimension.symbol("batch")

  /// The moments know the layer's outputs: E[y] = Wᵀ E[x] and E[‖y‖²] = tr(Wᵀ G W), for every kind of layer.
  @Test(
    arguments: [
      ("Gemm", [batch, .known(6)], [6, 5], [:], [70, 6]),
      ("Gemm", [batch, .known(6)], [5, 6], ["transB": .int(1)], [33, 6]),
      ("MatMul", [batch, .known(3), .known(6)], [6, 5], [:], [40, 3, 6]),
      ("MatMul", [batch, .known(2), .known(3), .known(4)], [2, 4, 5], [:], [35, 2, 3, 4]),
      ("MatMul", [batch, .known(3), .known(4)], [2, 1, 4, 5], [:], [1, 3, 4]),
      (
        "Conv", [batch, .known(4), .known(5), .known(6)], [6, 2, 3, 2],
        ["group": .int(2), "pads": .ints([1, 0, 2, 1]), "strides": .ints([2, 1])], [40, 4, 5, 6]
      ),
      (
        "Conv", [batch, .known(3), .known(7)], [4, 3, 3],
        ["auto_pad": .string("SAME_UPPER"), "strides": .ints([2])], [9, 3, 7]
      ),
      (
        "ConvTranspose", [batch, .known(4), .known(3), .known(2)], [4, 3, 2, 2],
        ["group": .int(2), "strides": .ints([2, 2])], [34, 4, 3, 2]
      ),
    ] as [(OperatorName, [Dimension], Shape, Attributes, Shape)])
  func momentsKnowTheOutputs(
    op: OperatorName, input: [Dimension], weight: Shape, attributes: Attributes, data: Shape
  ) throws {
    let rank = op == "MatMul" ? max(input.count, weight.rank) : input.count
    let model = try model(
      op, input, weight, attributes, output: [Dimension](repeating: .unknown, count: rank))
    let x = try Tensor(shape: data, TestModels.numbers(data.elementCount, seed: 7))
    let statistics = try measure(model, x, [.mean, .meanSquare, .gram])
    let y = try TestModels.run(model, x).array(of: Float.self)
    let layer = LayerScan(model).layers[0]
    let layout = layer.matrix
    var (sum, squares) = (0.0, 0.0)
    for group in 0..<layout.groups {
      let matrix = layer.matrix(of: layer.weights, group: group)
      squares += statistics.gram[group].quadratic(matrix, columns: layout.columns)
      for index in matrix.indices {
        sum += Double(matrix[index]) * statistics.mean[group * layout.depth + index / layout.columns]
      }
    }
    let rows = Double(statistics.rows)
    #expect(abs(sum * rows - y.reduce(0) { $0 + Double($1) }) < 1e-3)
    #expect(abs(squares * rows - y.reduce(0) { $0 + Double($1) * Double($1) }) < 1e-3)
    for k in 0..<layout.depth { #expect(abs(statistics.gram[0][k, k] - statistics.meanSquare[k]) < 1e-9) }
  }

  @Test func everyEighthSampleIsAFoldAcrossBatches() throws {
    let model = try model("Gemm", [Self.batch, .known(2)], [2, 3], output: [Self.batch, .known(3)])
    let x = TestModels.numbers(2 * 100, seed: 5)
    let statistics = try measure(model, try Tensor(shape: [100, 2], x), [.folds, .magnitude])
    let fold = stride(from: 3, to: 100, by: 8).map { Double(x[2 * $0 + 1]) }
    #expect(abs(statistics.folds[3][1] - fold.reduce(0) { $0 + $1 * $1 } / Double(fold.count)) < 1e-9)
    #expect(statistics.largest[1] == (0..<100).map { abs(x[2 * $0 + 1]) }.max())
    #expect(statistics.gram.isEmpty && statistics.mean.isEmpty)
  }

  /// Large images: positions are a sample that no column of the image dominates, and means stay right.
  @Test func positionsAreSampledEvenly() throws {
    let model = try model(
      "Conv", [Self.batch, .known(1), .known(32), .known(32)], [1, 1, 1, 1],
      output: [Dimension](repeating: .unknown, count: 4))
    // The value is the column's number.
    let x = (0..<40 * 1024).map { Float($0 % 32) }
    let statistics = try measure(model, try Tensor(shape: [40, 1, 32, 32], x), [.mean])
    #expect(statistics.rows <= 8192 && statistics.rows > 4000)
    #expect(abs(statistics.mean[0] - 15.5) < 0.05)
    #expect(InputStatisticsPass.stride(positions: 1 << 20, perSample: 1024, depth: 9) == 129)
    #expect(InputStatisticsPass.stride(positions: 1078, perSample: 1, depth: 64) == 1)
  }

  @Test func memoryBoundsWhatIsMeasuredTogether() throws {
    let model = try TestModels.mlp()
    let layers = LayerScan(model).layers
    let wanted = layers.map { (layer: $0, need: StatisticsNeed.gram) }
    // Moments of 8 and 16 inputs take 512 and 2048 bytes.
    #expect(InputStatisticsPass.portions(wanted, memory: 2560).map(\.count) == [2])
    let split = InputStatisticsPass.portions(wanted, memory: 2559)
    #expect(split.map(\.count) == [1, 1] && split[1][0].need == .gram)
    let none = InputStatisticsPass.portions(wanted, memory: 2047)
    #expect(none.map(\.count) == [2] && none[0][1].need == [])
    let dataset = try TestModels.dataset(for: model, rows: 50, inner: [8])
    func measured(_ memory: Int) throws -> [LayerKey: InputStatistics] {
      try InputStatisticsPass.measure(wanted, in: model, dataset, memory: memory, TestModels.resources())
    }
    let (together, apart) = (try measured(1 << 20), try measured(2559))
    #expect(together == apart && together.count == 2)
    #expect(try measured(100).values.allSatisfy { $0.gram.isEmpty && $0.rows == 50 })
  }

  @Test func inputsThatAreNotFiniteHaveNoStatistics() throws {
    let model = try model("Gemm", [Self.batch, .known(1)], [1, 1], output: [Self.batch, .known(1)])
    let result = try InputStatisticsPass.measure(
      [(LayerScan(model).layers[0], .mean)], in: model,
      try Dataset([("x", try Tensor(shape: [2, 1], [1, Float.nan]))]), memory: 1 << 20,
      TestModels.resources())
    #expect(result.isEmpty)
  }
}
