import GraphIR
import Tensors

/// `BatchNormalization` in training mode: normalizes with mean and population variance of the batch, and moves the
/// running ones towards them.
struct BatchStatistics<Element: FloatElement>: ShapedOperator {
  let attributes: BatchNormalizationAttributes

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    if input.elementCount == 0 { throw OperatorFailure.invalid("an empty batch has no mean") }
    let channels = input.rank > 1 ? input[1] : 1
    let size = input.rank > 2 ? input.product(2..<input.rank) : 1
    let batch = input[0]
    let (momentum, epsilon) = (Double(attributes.momentum), Double(attributes.epsilon))
    let (hasMean, hasVariance) = (request.hasOutput(1), request.hasOutput(2))
    return Kernel(
      "batch_statistics", units: channels, costPerUnit: batch * size * 3, threads: request.threads
    ) { operands, range in
      let x: UnsafePointer<Element> = operands.input(0)
      let y: UnsafeMutablePointer<Element> = operands.output(0)
      for channel in range {
        let (mean, variance) = Self.statistics(
          x + channel * size, batch: batch, stride: channels * size, size: size)
        func parameter(_ input: Int) -> Double { operands.input(input, as: Element.self)[channel].asDouble }
        let factor = parameter(1) / (variance + epsilon).squareRoot()
        let bias = parameter(2)
        for entry in 0..<batch {
          let start = (entry * channels + channel) * size
          for index in start..<(start + size) {
            y[index] = Element((x[index].asDouble - mean) * factor + bias)
          }
        }
        if hasMean {
          operands.output(1, as: Element.self)[channel] = Element(
            parameter(3) * momentum + mean * (1 - momentum))
        }
        if hasVariance {
          operands.output(2, as: Element.self)[channel] = Element(
            parameter(4) * momentum + variance * (1 - momentum))
        }
      }
    }
  }

  /// Two passes, in double precision.
  private static func statistics(
    _ x: UnsafePointer<Element>, batch: Int, stride: Int, size: Int
  ) -> (mean: Double, variance: Double) {
    func total(_ term: (Double) -> Double) -> Double {
      var sum = 0.0
      for entry in 0..<batch {
        for index in 0..<size { sum += term(x[entry * stride + index].asDouble) }
      }
      return sum / Double(batch * size)
    }
    let mean = total { $0 }
    return (mean, total { ($0 - mean) * ($0 - mean) })
  }
}
