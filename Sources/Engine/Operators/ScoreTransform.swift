import GraphIR
import Glibc
import Tensors

/// Numbers that scores are kept in.
protocol ScoreNumber: ArithmeticElement, BinaryFloatingPoint {
  static func exponential(_ x: Self) -> Self
  static func naturalLogarithm(_ x: Self) -> Self
}

extension Float: ScoreNumber {
  static func exponential(_ x: Float) -> Float { expf(x) }
  static func naturalLogarithm(_ x: Float) -> Float { logf(x) }
}

extension Double: ScoreNumber {
  static func exponential(_ x: Double) -> Double { exp(x) }
  static func naturalLogarithm(_ x: Double) -> Double { log(x) }
}

/// What is done to the scores of one sample before they are given out. All as onnxruntime does it, which fills in
/// what the ONNX text leaves open.
enum ScoreTransform: String, CaseIterable, Sendable {
  // In the order of `TreeEnsemble`'s numbers.
  case none = "NONE"
  case softmax = "SOFTMAX"
  case logistic = "LOGISTIC"
  case softmaxZero = "SOFTMAX_ZERO"
  case probit = "PROBIT"

  /// - Throws: `GraphError`.
  init(_ node: Node) throws { self = try node.choice("post_transform", default: .none) }

  func apply<Number: ScoreNumber>(_ scores: UnsafeMutableBufferPointer<Number>) {
    switch self {
    case .none: break
    case .logistic: for index in scores.indices { scores[index] = Self.logistic(scores[index]) }
    case .probit: for index in scores.indices { scores[index] = Self.probit(scores[index]) }
    case .softmax: Self.softmax(scores, keepsZeros: false)
    case .softmaxZero: Self.softmax(scores, keepsZeros: true)
    }
  }

  /// The scores of both classes when there is only one for the second: what is missing to 1, or the negative.
  /// Softmax is left out then.
  func pair<Number: ScoreNumber>(_ score: Number, isComplement: Bool) -> (Number, Number) {
    switch self {
    case .logistic: (Self.logistic(-score), Self.logistic(score))
    case .probit: (Self.probit(score), 0)
    case .none, .softmax, .softmaxZero: (isComplement ? 1 - score : -score, score)
    }
  }

  /// A score that stands alone: only PROBIT changes it.
  func single<Number: ScoreNumber>(_ score: Number) -> Number {
    self == .probit ? Self.probit(score) : score
  }

  static func logistic<Number: ScoreNumber>(_ x: Number) -> Number {
    let half = 1 / (1 + Number.exponential(-abs(x)))
    return x < 0 ? 1 - half : half
  }

  /// S. Winitzki, "A handy approximation for the error function and its inverse" (2008), with a = 0.147.
  private static func probit<Number: ScoreNumber>(_ x: Number) -> Number {
    let y = 2 * x - 1
    let a: Number = 0.147
    let logarithm = Number.naturalLogarithm((1 - y) * (1 + y))
    let b = 2 / (Number.pi * a) + logarithm / 2
    let root = (-b + (b * b - logarithm / a).squareRoot()).squareRoot()
    return Number(2).squareRoot() * (y < 0 ? -root : root)
  }

  /// Scores that are next to 0 take no part when `keepsZeros`.
  private static func softmax<Number: ScoreNumber>(
    _ scores: UnsafeMutableBufferPointer<Number>, keepsZeros: Bool
  ) {
    var top = -Number.infinity
    for score in scores where score > top { top = score }
    var sum: Number = 0
    for index in scores.indices {
      if keepsZeros && abs(scores[index]) <= 1e-7 {
        scores[index] *= Number.exponential(-top)
      } else {
        scores[index] = Number.exponential(scores[index] - top)
        sum += scores[index]
      }
    }
    for index in scores.indices { scores[index] /= sum }
  }
}
