import GraphIR
import Tensors

/// `LinearRegressor` and `LinearClassifier`.
struct LinearModelOperator: DynamicOperator {
  private let coefficients: [Float]
  private let intercepts: [Float]
  private let targets: Int
  private let transform: ScoreTransform
  /// nil: a regressor.
  private let labels: ClassLabels?

  init(_ node: Node, isClassifier: Bool) throws {
    labels = isClassifier ? try ClassLabels(node, integers: "classlabels_ints") : nil
    coefficients = try node.floats("coefficients") ?? []
    intercepts = try node.floats("intercepts") ?? []
    transform = try ScoreTransform.read(node)
    targets = try labels?.count ?? node.int("targets", default: 1)
    if targets < 1 || coefficients.isEmpty || coefficients.count % targets != 0 {
      throw OperatorFailure.unsupported("\(coefficients.count) coefficients for \(targets) targets")
    }
    if !intercepts.isEmpty && intercepts.count != targets {
      throw OperatorFailure.unsupported("\(intercepts.count) intercepts for \(targets) targets")
    }
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let features = try FeatureRows(inputs[0])
    if features.columns * targets != coefficients.count {
      throw OperatorFailure.invalid(
        "\(features.columns) features do not fit \(coefficients.count / targets) coefficients")
    }
    var results: [Float] = []
    var classes: [Int] = []
    for row in 0..<features.rows {
      let sample = features[row]
      let scores = (0..<targets).map { target in
        var sum = intercepts.isEmpty ? 0 : Double(intercepts[target])
        for (column, value) in sample.enumerated() {
          sum += value * Double(coefficients[target * features.columns + column])
        }
        return sum
      }
      classes.append(scores.firstLargest)
      results += transform(scores).map { Float($0) }
    }
    let scores = RuntimeValue.tensor(try Tensor(shape: [features.rows, targets], results))
    guard let labels else { return [scores] }
    return [.tensor(try labels.tensor(classes)), scores]
  }
}
