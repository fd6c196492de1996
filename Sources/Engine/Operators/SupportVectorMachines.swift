import GraphIR
import Glibc
import Tensors

/// The similarity of a sample to each support vector.
struct SupportVectors: Sendable {
  enum Function: String, CaseIterable, Sendable {
    case linear = "LINEAR"
    case polynomial = "POLY"
    case radial = "RBF"
    case sigmoid = "SIGMOID"
  }

  let function: Function
  let count: Int
  let features: Int
  /// `[features, count]`, so that the inner loop runs over vectors.
  private let elements: [Float]
  private let gamma: Float
  private let offset: Float
  private let degree: Float

  /// - Parameter vectors: `[count, features]`.
  init(_ node: Node, vectors: [Float], count: Int, isLinear: Bool) throws {
    let parameters = try node.floats("kernel_params") ?? []
    if !parameters.isEmpty && parameters.count < 3 {
      throw OperatorFailure.invalid("kernel_params holds \(parameters.count) values, not 3")
    }
    (gamma, offset, degree) = parameters.isEmpty ? (0, 0, 0) : (parameters[0], parameters[1], parameters[2])
    function = isLinear ? .linear : try node.choice("kernel_type", default: .linear)
    if count < 1 || vectors.isEmpty || vectors.count % count != 0 {
      throw OperatorFailure.invalid("\(vectors.count) numbers do not make \(count) support vectors")
    }
    self.count = count
    features = vectors.count / count
    elements = vectors.transposed(rows: count)
  }

  /// - Parameter result: gets `count` numbers.
  func compare(_ sample: UnsafePointer<Float>, _ result: UnsafeMutablePointer<Float>) {
    let isRadial = function == .radial
    for vector in 0..<count { result[vector] = 0 }
    elements.withUnsafeBufferPointer { elements in
      guard var line = elements.baseAddress else { return }
      for feature in 0..<features {
        let value = sample[feature]
        if isRadial {
          for vector in 0..<count {
            let distance = value - line[vector]
            result[vector] += distance * distance
          }
        } else {
          for vector in 0..<count { result[vector] += value * line[vector] }
        }
        line += count
      }
    }
    switch function {
    case .linear: break
    case .radial: for vector in 0..<count { result[vector] = expf(-gamma * result[vector]) }
    case .polynomial:
      for vector in 0..<count { result[vector] = powf(gamma * result[vector] + offset, degree) }
    case .sigmoid: for vector in 0..<count { result[vector] = tanhf(gamma * result[vector] + offset) }
    }
  }
}

/// `SVMRegressor`. It has no post_transform in onnxruntime, whatever the attribute says.
struct SupportVectorRegressor: ShapedOperator {
  private let element: ElementType
  private let vectors: SupportVectors
  private let coefficients: [Float]
  private let rho: Float
  private let isOneClass: Bool

  init(_ source: OperatorSource) throws {
    let node = source.node
    element = try source.element(0, in: [.float32, .float64, .int32, .int64])
    let count = try node.int("n_supports", default: 0)
    let given = try node.floats("coefficients") ?? []
    rho = try node.floats("rho")?.first ?? 0
    isOneClass = try node.flag("one_class")
    if count > 0 {
      if given.count != count {
        throw OperatorFailure.invalid("\(given.count) coefficients for \(count) support vectors")
      }
      coefficients = given
      vectors = try SupportVectors(
        node, vectors: try node.floats("support_vectors") ?? [], count: count, isLinear: false)
    } else {
      coefficients = [1]
      vectors = try SupportVectors(node, vectors: given, count: 1, isLinear: true)
    }
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try FeatureShape(request.input(0).shape)
    if shape.columns != vectors.features {
      throw OperatorFailure.invalid("\(shape.columns) features, not \(vectors.features)")
    }
    let reader = FeatureReader(element: element, columns: shape.columns)
    let own = (vectors.count * MemoryLayout<Float>.stride + 63) & ~63
    return Kernel(
      "svm_regressor", units: shape.rows, costPerUnit: vectors.count * (shape.columns + 8),
      threads: request.threads, threadScratch: own + reader.scratchBytes(rows: 1)
    ) { [self] operands, range in
      let similarity = operands.threadScratch.assumingMemoryBound(to: Float.self)
      for row in range {
        let sample = reader.rows(row, 1, of: operands.rawInput(0), scratch: operands.threadScratch + own)
        vectors.compare(sample, similarity)
        var sum = rho
        for vector in 0..<vectors.count { sum += similarity[vector] * coefficients[vector] }
        operands.output(0, as: Float.self)[row] = isOneClass ? (sum > 0 ? 1 : -1) : sum
      }
    }
  }
}
