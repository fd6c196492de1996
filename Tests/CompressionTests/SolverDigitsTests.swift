import GraphIR
import Tensors
import Testing

@testable import Compression

/// The solvers on the bundled network and its data, without the pipeline: what the methods themselves reach.
@Suite struct SolverDigitsTests {
  /// 706 of 719 test samples are right without compression.
  private struct Network {
    var weights: [[Float]] = []
    var biases: [[Float]] = []
    var extents: [Int] = []
    let calibration: [Float]
    let test: [Float]
    let labels: [Int]

    init() throws {
      let config =
        String(#filePath.dropLast("Tests/CompressionTests/SolverDigitsTests.swift".count)) + "config"
      let model = try Model.load(path: "\(config)/models/digits/1/model.onnx")
      for layer in LayerScan(model).layers {
        let bias = try #require(layer.bias.flatMap { model.graph[$0].constant })
        weights.append(layer.weights.array(of: Float.self))
        biases.append(bias.array(of: Float.self))
        if extents.isEmpty { extents.append(layer.shape[0]) }
        extents.append(layer.shape[1])
      }
      func images(_ name: String) throws -> (pixels: [Float], labels: [Int]) {
        let dataset = try Dataset(path: "\(config)/datasets/\(name).npz")
        let pixels = try #require(dataset.arrays.values.first { $0.type == .float32 })
        return (pixels.array(of: Float.self), try #require(dataset.classLabels))
      }
      calibration = try images("digits-train").pixels
      (test, labels) = try images("digits-test")
    }

    func layer(_ number: Int, _ x: [Float], _ weight: [Float], _ bias: [Float]) -> [Float] {
      let (depth, columns) = (extents[number], extents[number + 1])
      var result: [Float] = []
      result.reserveCapacity(x.count / depth * columns)
      for row in 0..<x.count / depth {
        var sums = bias
        for k in 0..<depth where x[row * depth + k] != 0 {
          for n in 0..<columns { sums[n] += x[row * depth + k] * weight[k * columns + n] }
        }
        result += sums
      }
      return result
    }

    private func moments(_ x: [Float], _ size: Int) -> SymmetricMatrix {
      var elements = [Double](repeating: 0, count: size * size)
      for row in stride(from: 0, to: x.count, by: size) {
        for i in 0..<size where x[row + i] != 0 {
          for j in 0..<size { elements[i * size + j] += Double(x[row + i]) * Double(x[row + j]) }
        }
      }
      let rows = Double(x.count / size)
      return SymmetricMatrix(size: size, elements: elements.map { $0 / rows })
    }

    /// The number of right answers when `method` replaces each weight, layer after layer: each sees the inputs that
    /// those before it give, and its bias takes up what the mean output loses.
    func right(_ method: (_ layer: Int, _ gram: SymmetricMatrix) throws -> [Float]) throws -> Int {
      var (reference, seen, answers) = (calibration, calibration, test)
      for number in weights.indices {
        let columns = extents[number + 1]
        let weight = try method(number, moments(seen, extents[number]))
        let wanted = layer(number, reference, weights[number], biases[number])
        let given = layer(number, seen, weight, biases[number])
        var shift = [Double](repeating: 0, count: columns)
        for index in wanted.indices { shift[index % columns] += Double(wanted[index]) - Double(given[index]) }
        let samples = Double(wanted.count / columns)
        let bias = zip(biases[number], shift).map { $0 + Float($1 / samples) }
        let isLast = number == weights.count - 1
        func activated(_ x: [Float]) -> [Float] { isLast ? x : x.map { max($0, 0) } }
        reference = activated(wanted)
        seen = activated(layer(number, seen, weight, bias))
        answers = activated(layer(number, answers, weight, bias))
      }
      let classes = extents[weights.count]
      return labels.indices.filter { row in
        let scores = answers[row * classes..<(row + 1) * classes]
        return scores.firstIndex(of: scores.max() ?? 0) == row * classes + labels[row]
      }.count
    }
  }

  @Test func theNetworkIsThatOfTheModel() throws {
    let network = try Network()
    #expect(try network.right { number, _ in network.weights[number] } == 706)
  }

  /// 98.05 % at 4 bits and 97.7 % at 2 bits.
  @Test(arguments: [(4, ScaleGroups.channel, 705), (4, .blocks(32), 705), (2, .channel, 703)])
  func fewBitsKeepTheAccuracy(bits: Int, groups: ScaleGroups, least: Int) throws {
    let network = try Network()
    let grid = IntegerGrid(bits: bits, isSymmetric: true)
    let right = try network.right { number, gram in
      let layout = MatrixLayout(
        groups: 1, depth: network.extents[number], columns: network.extents[number + 1])
      let (codes, scales) = try GPTQRounding().codes(
        network.weights[number], layout, grid, groups, .auto, gram: gram, mask: nil, minimumScales: nil)
      return ScaledGrid(layout, grid, groups, scales).values(codes)
    }
    #expect(right >= least)
  }

  /// 97.7, 97.6, 95 and, for 2:4, 97.8 %. The refit costs 2:4 one sample, 703 of 719.
  @Test(arguments: [
    (MaskStructure.unstructured, 0.5, true, 703), (.unstructured, 0.7, true, 702),
    (.unstructured, 0.8, true, 684), (.pattern(kept: 2, of: 4), 0.5, false, 704),
    (.pattern(kept: 2, of: 4), 0.5, true, 703),
  ])
  func prunedWeightsKeepTheAccuracy(
    structure: MaskStructure, sparsity: Double, refits: Bool, least: Int
  ) throws {
    let network = try Network()
    var pruner = OBSPruner(structure: structure, sparsity: sparsity)
    pruner.refits = refits
    let right = try network.right { number, gram in
      let weights = try pruner.prune(
        network.weights[number], columns: network.extents[number + 1], gram: gram
      ).weights
      let zeros = weights.filter { $0 == 0 }.count
      #expect(abs(Double(zeros) / Double(weights.count) - sparsity) < 0.01)
      return weights
    }
    #expect(right >= least)
  }
}
