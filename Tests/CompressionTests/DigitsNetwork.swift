import GraphIR
import Tensors
import Testing

@testable import Compression

/// The bundled network and its data, computed in plain loops: what methods reach by themselves, without the pipeline.
///
/// 706 of 719 test samples are right without compression.
struct DigitsNetwork {
  struct Layer {
    var weight: [Float]
    var bias: [Float]
    var columns: Int
    var depth: Int { weight.count / columns }
    var layout: MatrixLayout { MatrixLayout(groups: 1, depth: depth, columns: columns) }

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
    let config = String(#filePath.dropLast("Tests/CompressionTests/DigitsNetwork.swift".count)) + "config"
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
  mutating func correctBiases(from reference: DigitsNetwork) {
    for number in layers.indices { correctBias(of: number, from: reference) }
  }

  private mutating func correctBias(of number: Int, from reference: DigitsNetwork) {
    let wanted = reference.layers[number].applied(to: reference.inputs(of: number), isLast: true)
    let given = layers[number].applied(to: inputs(of: number), isLast: true)
    let columns = layers[number].columns
    var shift = [Double](repeating: 0, count: columns)
    for index in wanted.indices { shift[index % columns] += Double(wanted[index]) - Double(given[index]) }
    let rows = Double(wanted.count / columns)
    layers[number].bias = zip(layers[number].bias, shift).map { $0 + Float($1 / rows) }
  }

  /// The network with each weight replaced by `method`, layer after layer: each sees the inputs that those before it
  /// give, and its bias takes up what the mean output loses.
  func replacing(
    _ method: (_ layer: Layer, _ gram: SymmetricMatrix) throws -> [Float]
  ) throws -> DigitsNetwork {
    var network = self
    for number in layers.indices {
      network.layers[number].weight = try method(layers[number], network.moments(of: number).gram)
      network.correctBias(of: number, from: self)
    }
    return network
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
