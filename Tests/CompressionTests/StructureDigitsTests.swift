import Testing

@testable import Compression

/// Shared weights, low rank and removed neurons on the bundled network and its data, without the pipeline.
@Suite struct StructureDigitsTests {
  /// 97.9 % with 16 values for each layer, biases corrected.
  @Test(arguments: [false, true])
  func sixteenValuesForEachLayer(countsInputs: Bool) throws {
    let reference = try DigitsNetwork()
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
    let reference = try DigitsNetwork()
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
    let network = try DigitsNetwork()
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

  private func product(_ a: [Float], _ b: [Float], _ layer: DigitsNetwork.Layer, _ rank: Int) -> [Float] {
    DenseProduct.multiply(
      a.map(Double.init), b.map(Double.init), rows: layer.depth, inner: rank, columns: layer.columns
    ).map(Float.init)
  }

  /// 97.6 and 97.0 %.
  @Test(arguments: [(0.5, 702), (0.7, 698)])
  func neuronsAreRemovedAndMadeUpFor(sparsity: Double, least: Int) throws {
    var network = try DigitsNetwork()
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
