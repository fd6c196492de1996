import GraphIR
import Glibc
import Tensors

extension EngineTable {
  static let lossOperators: [OperatorEntry] = [
    OperatorEntry("NegativeLogLikelihoodLoss", types: .floats) { try makeLoss($0, takesLogarithm: false) },
    OperatorEntry("SoftmaxCrossEntropyLoss", types: .floats) { try makeLoss($0, takesLogarithm: true) },
  ]

  private static func makeLoss(_ source: OperatorSource, takesLogarithm: Bool) throws -> any ShapedOperator {
    let attributes = try LossAttributes(source.node)
    if source.element(0) == .float64 {
      return LossOperator<Double>(attributes: attributes, takesLogarithm: takesLogarithm)
    }
    return LossOperator<Float>(attributes: attributes, takesLogarithm: takesLogarithm)
  }
}

/// Both losses: the negative (logarithm of the softmax of the) score of each sample's class, times the weight of
/// the class; `mean` divides by the sum of the weights. Samples are summed in order, in double precision.
struct LossOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  let attributes: LossAttributes
  let takesLogarithm: Bool

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let view = try AxisView(try request.input(0).shape, axis: 1)
    let samples = view.outer * view.inner
    let line = LossLine<Element>(
      view: view, classes: try IndexReader(try request.input(1)), ignored: attributes.ignoredClass,
      takesLogarithm: takesLogarithm, hasWeights: request.hasInput(2),
      writesLogarithms: takesLogarithm && request.hasOutput(1))
    let hasLoss = request.hasOutput(0)
    let split = WorkSplit(
      units: samples, costPerUnit: takesLogarithm ? view.extent * 30 : 8, threads: request.threads)
    let (bytes, overflow) = samples.multipliedReportingOverflow(by: 2 * MemoryLayout<Double>.stride)
    if overflow { throw OperatorFailure.invalid("there are too many samples") }
    let reduction = attributes.reduction
    let each = Kernel.Phase(pieces: split.pieces) { operands, piece in
      let losses = operands.sharedScratch.assumingMemoryBound(to: Double.self)
      for sample in split.range(of: piece) {
        let (loss, weight) = try line.loss(operands, sample)
        if reduction == .none {
          if hasLoss { operands.output(0, as: Element.self)[sample] = Element(loss) }
        } else {
          losses[sample] = loss
          losses[samples + sample] = weight
        }
      }
    }
    if reduction == .none { return Kernel("loss", phases: [each]) }
    let total = Kernel.Phase(pieces: hasLoss ? 1 : 0) { operands, _ in
      let losses = operands.sharedScratch.assumingMemoryBound(to: Double.self)
      var sum = 0.0
      var weights = 0.0
      for sample in 0..<samples {
        sum += losses[sample]
        weights += losses[samples + sample]
      }
      operands.output(0, as: Element.self)[0] = Element(reduction == .sum ? sum : sum / weights)
    }
    return Kernel("loss", phases: [each, total], sharedScratch: bytes)
  }
}

/// One sample's scores and what is lost with them.
private struct LossLine<Element: ArithmeticElement & BinaryFloatingPoint> {
  let view: AxisView
  let classes: IndexReader
  let ignored: Int?
  let takesLogarithm: Bool
  let hasWeights: Bool
  let writesLogarithms: Bool

  /// The weighted loss of a sample, and its weight.
  func loss(_ operands: KernelOperands, _ sample: Int) throws -> (Double, Double) {
    let start = view.start(of: sample)
    let scores = operands.input(0, as: Element.self) + start
    var normalizer = 0.0
    if takesLogarithm {
      normalizer = logarithmOfSum(scores)
      if writesLogarithms {
        let logarithms = operands.output(1, as: Element.self) + start
        for index in 0..<view.extent {
          logarithms[index * view.inner] = Element(Double(scores[index * view.inner]) - normalizer)
        }
      }
    }
    let index = classes(operands, 1, sample)
    if index == ignored { return (0, 0) }
    if index < 0 || index >= view.extent {
      throw OperatorFailure.invalid("class \(index) is out of range for \(view.extent) classes")
    }
    let weight = hasWeights ? Double(operands.input(2, as: Element.self)[index]) : 1
    return ((normalizer - Double(scores[index * view.inner])) * weight, weight)
  }

  private func logarithmOfSum(_ scores: UnsafePointer<Element>) -> Double {
    var top = -Double.infinity
    for index in 0..<view.extent { top = Double.greater(top, Double(scores[index * view.inner])) }
    var sum = 0.0
    for index in 0..<view.extent { sum += exp(Double(scores[index * view.inner]) - top) }
    return top + log(sum)
  }
}
