import GraphIR
import Tensors
import Testing

@testable import Compression

/// Shared weights, low rank and removed neurons on the bundled network and its data, without the pipeline.
@Suite struct StructureDigitsTests {
  /// 706 of 719 test samples are right without compression.
  private struct Network {
    struct Layer {
      var weight: [Float]
      var bias: [Float]
      var columns: Int
      var depth: Int { weight.count / columns }

      func applied(to x: [Float], isLast: Bool) -> [Float] {
        var result: [Float] = []
        result.reserveCapacity(x.count / depth * columns)
        for start in stride(from: 0, to: x.count, by: depth) {
          var sums = bias
          for k in 0..<depth where x[start + k] != 0 {
            for n in 0..<columns { sums[n] += x[start + k] * weight[k * columns + n] }
          }
          result += isLast ? sums : sums.map { max($0, 0) }
        }
        return result
      }
    }

    var layers: [Layer] = []
    let calibration: [Float]
    let test: [Float]
    let labels: [Int]

    init() throws {
      let config =
        String(#filePath.dropLast("Tests/CompressionTests/StructureDigitsTests.swift".count)) + "config"
      let model = try Model.load(path: "\(config)/models/digits/1/model.onnx")
      for layer in LayerScan(model).layers {
        let bias = try #require(layer.bias.flatMap { model.graph[$0].constant })
        layers.append(
          Layer(
            weight: layer.weights.array(of: Float.self), bias: bias.array(of: Float.self),
            columns: layer.outputChannels))
      }
      func images(_ name: String) throws -> (pixels: [Float], labels: [Int]) {
        let dataset = try Dataset(path: "\(config)/datasets/\(name).npz")
        let pixels = try #require(dataset.arrays.values.first { $0.type == .float32 })
        return (pixels.array(of: Float.self), try #require(dataset.classLabels))
      }
      calibration = try images("digits-train").pixels
      (test, labels) = try images("digits-test")
    }

    /// What layer `number` reads when the network sees the calibration data.
    func inputs(of number: Int) -> [Float] {
      layers[..<number].reduce(calibration) { $1.applied(to: $0, isLast: false) }
    }

    func moments(of number: Int) -> (gram: SymmetricMatrix, mean: [Double]) {
      let (x, size) = (inputs(of: number), layers[number].depth)
      var elements = [Double](repeating: 0, count: size * size)
      var mean = [Double](repeating: 0, count: size)
      for row in stride(from: 0, to: x.count, by: size) {
        for i in 0..<size where x[row + i] != 0 {
          mean[i] += Double(x[row + i])
          for j in 0..<size { elements[i * size + j] += Double(x[row + i]) * Double(x[row + j]) }
        }
      }
      let rows = Double(x.count / size)
      return (SymmetricMatrix(size: size, elements: elements.map { $0 / rows }), mean.map { $0 / rows })
    }

    /// Biases take up what each layer's mean output loses, layer after layer, as after every lossy step.
    mutating func correctBiases(from reference: Network) {
      var (wanted, given) = (reference.calibration, calibration)
      for number in layers.indices {
        let full = reference.layers[number].applied(to: wanted, isLast: true)
        let now = layers[number].applied(to: given, isLast: true)
        let columns = layers[number].columns
        var shift = [Double](repeating: 0, count: columns)
        for index in full.indices { shift[index % columns] += Double(full[index]) - Double(now[index]) }
        let rows = Double(full.count / columns)
        layers[number].bias = zip(layers[number].bias, shift).map { $0 + Float($1 / rows) }
        wanted = full.map { max($0, 0) }
        given = layers[number].applied(to: given, isLast: false)
      }
    }

    func rightAnswers() -> Int {
      let scores = layers.indices.reduce(test) {
        $0.isEmpty ? [] : layers[$1].applied(to: $0, isLast: $1 == layers.count - 1)
      }
      let classes = layers[layers.count - 1].columns
      return labels.indices.filter { row in
        let part = scores[row * classes..<(row + 1) * classes]
        return part.firstIndex(of: part.max() ?? 0) == row * classes + labels[row]
      }.count
    }
  }

  @Test func theNetworkIsThatOfTheModel() throws { #expect(try Network().rightAnswers() == 706) }

  /// 97.9 % with 16 values for each layer, biases corrected.
  @Test(arguments: [false, true])
  func sixteenValuesForEachLayer(countsInputs: Bool) throws {
    let reference = try Network()
    var network = reference
    for number in network.layers.indices {
      let layer = network.layers[number]
      let squares = network.moments(of: number).gram.diagonal
      let weights = layer.weight.indices.map { Float(squares[$0 / layer.columns]) }
      let shared = KMeans1D(layer.weight, weights: countsInputs ? weights : nil, clusters: 16)
      network.layers[number].weight = shared.shared(layer.weight)
      #expect(Set(network.layers[number].weight).count == 16)
    }
    network.correctBiases(from: reference)
    #expect(network.rightAnswers() >= 704)
  }

  /// 98.0 % with half of the numbers in the two large layers.
  @Test func halfOfTheNumbersByLowRank() throws {
    let reference = try Network()
    var network = reference
    for number in 0..<2 {
      let layer = network.layers[number]
      let rank = RankChoice.rank(parameters: 0.5, depth: layer.depth, columns: layer.columns)
      let (a, b) = try Factorization(layer.weight, depth: layer.depth, columns: layer.columns).factors(
        rank: rank)
      #expect(2 * (a.count + b.count) <= layer.weight.count)
      network.layers[number].weight = product(a, b, layer, rank)
    }
    #expect(network.rightAnswers() >= 705)
    network.correctBiases(from: reference)
    #expect(network.rightAnswers() >= 705)
  }

  /// What each layer gives on the data it was measured on is nearer to the original with the inputs' moments.
  @Test(arguments: [0, 1])
  func momentsOfTheInputsLowerTheOutputError(number: Int) throws {
    let network = try Network()
    let layer = network.layers[number]
    let gram = network.moments(of: number).gram
    let rank = RankChoice.rank(parameters: 0.5, depth: layer.depth, columns: layer.columns)
    func error(_ gram: SymmetricMatrix?) throws -> Double {
      let factors = try Factorization(layer.weight, depth: layer.depth, columns: layer.columns, gram: gram)
      let (a, b) = factors.factors(rank: rank)
      let change = zip(layer.weight, product(a, b, layer, rank)).map { $0 - $1 }
      return network.moments(of: number).gram.quadratic(change, columns: layer.columns)
    }
    #expect(try error(gram) < error(nil))
  }

  private func product(_ a: [Float], _ b: [Float], _ layer: Network.Layer, _ rank: Int) -> [Float] {
    DenseProduct.multiply(
      a.map(Double.init), b.map(Double.init), rows: layer.depth, inner: rank, columns: layer.columns
    ).map(Float.init)
  }

  /// 97.6 and 97.0 %.
  @Test(arguments: [(0.5, 702), (0.7, 698)])
  func neuronsAreRemovedAndMadeUpFor(sparsity: Double, least: Int) throws {
    var network = try Network()
    for number in 0..<2 {
      let (layer, next) = (network.layers[number], network.layers[number + 1])
      let (gram, mean) = network.moments(of: number + 1)
      let scores = ChannelImportance.energies(
        meanSquare: gram.diagonal, weight: next.weight, columns: next.columns,
        rows: (0..<layer.columns).map { [$0] })
      let count = ChannelImportance.keptCount(of: layer.columns, sparsity: sparsity)
      let kept = ChannelImportance.largest(scores, count: count)
      let repaired = try ConsumerRepair.repair(
        gram, mean: mean, next.weight, columns: next.columns, kept: kept)
      network.layers[number].weight = (0..<layer.depth).flatMap { row in
        kept.map { layer.weight[row * layer.columns + $0] }
      }
      network.layers[number].bias = kept.map { layer.bias[$0] }
      network.layers[number].columns = kept.count
      network.layers[number + 1].weight = repaired.weight
      network.layers[number + 1].bias = zip(next.bias, repaired.biasShift).map { $0 + $1 }
    }
    #expect(network.rightAnswers() >= least)
  }
}
