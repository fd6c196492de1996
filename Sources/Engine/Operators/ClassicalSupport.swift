import Glibc
import GraphIR
import Tensors

/// A matrix of features, one row for each sample, in float64: every narrower number fits without loss.
struct FeatureRows {
  let rows: Int
  let columns: Int
  let values: [Double]

  init(_ value: RuntimeValue?) throws {
    guard let tensor = value?.tensor else { throw OperatorFailure.invalid("input 0 is no tensor") }
    let shape = tensor.shape
    if shape.rank < 1 || shape.rank > 2 { throw OperatorFailure.invalid("features have shape \(shape)") }
    rows = shape.rank == 2 ? shape[0] : 1
    columns = shape[shape.rank - 1]
    values = try Self.doubles(tensor)
  }

  static func doubles(_ tensor: Tensor) throws -> [Double] {
    try tensor.type.withArithmetic(Reader(tensor: tensor))
  }

  subscript(row: Int) -> ArraySlice<Double> { values[(row * columns)..<((row + 1) * columns)] }

  private struct Reader: ArithmeticVisitor {
    let tensor: Tensor
    func visit<Element: ArithmeticElement>(_: Element.Type) throws -> [Double] {
      tensor.array(of: Element.self).map(\.asDouble)
    }
  }
}

/// What is done to the scores of one sample before they are given out.
enum ScoreTransform: String, CaseIterable, Sendable {
  case none = "NONE"
  case softmax = "SOFTMAX"
  case logistic = "LOGISTIC"
  case softmaxZero = "SOFTMAX_ZERO"

  /// - Throws: `OperatorFailure.unsupported`, `GraphError`.
  static func read(_ node: Node) throws -> ScoreTransform {
    let name = try node.string("post_transform", default: "NONE")
    guard let transform = ScoreTransform(rawValue: name) else {
      throw OperatorFailure.unsupported("post_transform '\(name)'")
    }
    return transform
  }

  func callAsFunction(_ scores: [Double]) -> [Double] {
    switch self {
    case .none: return scores
    case .logistic: return scores.map { 1 / (1 + exp(-$0)) }
    case .softmax, .softmaxZero:
      // Scores that are exactly 0 stay 0 with SOFTMAX_ZERO.
      let isZero = scores.map { self == .softmaxZero && $0 == 0 }
      let largest = scores.max() ?? 0
      let powers = zip(scores, isZero).map { $1 ? 0 : exp($0 - largest) }
      let sum = powers.reduce(0, +)
      return sum == 0 ? powers : powers.map { $0 / sum }
    }
  }
}

/// The names of a classifier's classes.
enum ClassLabels: Sendable {
  case integers([Int])
  case strings([String])

  init(_ node: Node, integers name: String) throws {
    if let strings = try node.strings("classlabels_strings"), !strings.isEmpty {
      self = .strings(strings)
    } else {
      self = .integers(try node.ints(name) ?? [])
    }
  }

  var count: Int {
    switch self {
    case .integers(let labels): labels.count
    case .strings(let labels): labels.count
    }
  }

  func tensor(_ classes: [Int]) throws -> Tensor {
    switch self {
    case .integers(let labels): try Tensor(shape: [classes.count], classes.map { labels[$0] })
    case .strings(let labels): try Tensor(shape: [classes.count], strings: classes.map { labels[$0] })
    }
  }
}

extension [Double] {
  /// The place of the first largest element.
  var firstLargest: Int {
    var best = 0
    for (index, value) in enumerated() where value > self[best] { best = index }
    return best
  }
}
