import GraphIR
import Tensors

extension EngineTable {
  static let classicalOperators: [OperatorEntry] = [
    shaped("Scaler") { try ScalerOperator($0) },
    shaped("Normalizer") { try NormalizerOperator($0) },
    shaped("Binarizer") { try BinarizerOperator($0) },
    shaped("Imputer") { try ImputerOperator($0) },
    shaped("FeatureVectorizer") { try FeatureVectorizerOperator($0) },
    either("ArrayFeatureExtractor") { try FeatureExtractorOperator.implementation($0) },
    either("LabelEncoder", [.float32, .float64, .int16, .int32, .int64, .string]) {
      try LabelEncoderOperator.implementation($0)
    },
    either("CategoryMapper", [.int64, .string]) { .dynamic(try CategoryMapperOperator($0)) },
    either("OneHotEncoder", classicalNumbers + [.string]) { try OneHotEncoderOperator.implementation($0) },
    shaped("LinearRegressor") { try LinearModelOperator($0, isClassifier: false) },
    either("LinearClassifier", classicalNumbers) {
      try ClassLabels.implementation($0, integers: "classlabels_ints") {
        try LinearModelOperator($0, isClassifier: true)
      }
    },
    shaped("SVMRegressor") { try SupportVectorRegressor($0) },
    either("SVMClassifier", classicalNumbers) {
      try ClassLabels.implementation($0, integers: "classlabels_ints") { try SupportVectorClassifier($0) }
    },
    either("TreeEnsemble") { try treeEnsemble($0) },
    either("TreeEnsembleRegressor") { try treeEnsemble($0) },
    either("TreeEnsembleClassifier") { try treeEnsemble($0) },
    either("ZipMap", .single) { .dynamic(try ZipMapOperator($0.node)) },
    either("DictVectorizer", []) { .dynamic(try DictVectorizerOperator($0)) },
    either("CastMap", []) { .dynamic(try CastMapOperator($0.node)) },
  ]

  /// What the domain computes with.
  static let classicalNumbers: [ElementType] = [.float32, .float64, .int32, .int64]

  private static func shaped(_ type: String, _ make: @escaping OperatorEntry.Factory) -> OperatorEntry {
    OperatorEntry(
      OperatorName(domain: "ai.onnx.ml", type: type), types: classicalNumbers, widensHalves: false, make: make
    )
  }

  /// - Parameter types: of input 0; none when that is a map, nil when `make` sees to it.
  private static func either(
    _ type: String, _ types: [ElementType]? = nil,
    _ make: @escaping @Sendable (OperatorSource) throws -> OperatorImplementation
  ) -> OperatorEntry {
    OperatorEntry(either: OperatorName(domain: "ai.onnx.ml", type: type), types: types, make: make)
  }
}

/// `Scaler`: (x - offset) * scale, one pair for all features or one for each; in float64 for float64 features.
struct ScalerOperator: ShapedOperator {
  private let element: ElementType
  private let offset: [Float]
  private let scale: [Float]

  init(_ source: OperatorSource) throws {
    element = try source.element(0, in: EngineTable.classicalNumbers)
    offset = try source.node.floats("offset") ?? []
    scale = try source.node.floats("scale") ?? []
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let x = try request.input(0)
    let columns = x.shape.dimensions.last ?? 1
    for list in [offset, scale] where list.count != 1 && list.count != columns {
      throw OperatorFailure.invalid("\(list.count) offsets or scales for \(columns) features")
    }
    if x.elementCount == 0 { return .nothing }
    let offsets = offset.count == columns ? offset : Array(repeating: offset[0], count: columns)
    let scales = scale.count == columns ? scale : Array(repeating: scale[0], count: columns)
    let reader = FeatureReader(element: element, columns: columns)
    let isDouble = element == .float64
    return Kernel(
      "scaler", units: x.elementCount / columns, costPerUnit: columns, threads: request.threads,
      threadScratch: isDouble ? 0 : reader.scratchBytes(rows: 1)
    ) { operands, range in
      for row in range {
        let y = operands.output(0, as: Float.self) + row * columns
        if isDouble {
          let x = operands.input(0, as: Double.self) + row * columns
          for index in 0..<columns {
            y[index] = Float((x[index] - Double(offsets[index])) * Double(scales[index]))
          }
        } else {
          let x = reader.rows(row, 1, of: operands.rawInput(0), scratch: operands.threadScratch)
          for index in 0..<columns { y[index] = (x[index] - offsets[index]) * scales[index] }
        }
      }
    }
  }
}

/// `Normalizer`: each sample divided by its norm; a norm of 0 divides nothing. MAX is the largest feature, not the
/// largest magnitude.
struct NormalizerOperator: ShapedOperator {
  private enum Norm: String, CaseIterable, Sendable {
    case max = "MAX"
    case l1 = "L1"
    case l2 = "L2"
  }
  private let element: ElementType
  private let norm: Norm

  init(_ source: OperatorSource) throws {
    element = try source.element(0, in: EngineTable.classicalNumbers)
    norm = try source.node.choice("norm", default: .max)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try FeatureShape(request.input(0).shape)
    let reader = FeatureReader(element: element, columns: shape.columns)
    let (norm, columns) = (norm, shape.columns)
    return Kernel(
      "normalizer", units: shape.rows, costPerUnit: columns * 4, threads: request.threads,
      threadScratch: reader.scratchBytes(rows: 1)
    ) { operands, range in
      for row in range {
        let x = reader.rows(row, 1, of: operands.rawInput(0), scratch: operands.threadScratch)
        var length: Float = norm == .max ? -.greatestFiniteMagnitude : 0
        for index in 0..<columns {
          switch norm {
          case .max: length = Swift.max(length, x[index])
          case .l1: length += abs(x[index])
          case .l2: length += x[index] * x[index]
          }
        }
        if norm == .l2 { length.formSquareRoot() }
        let y = operands.output(0, as: Float.self) + row * columns
        for index in 0..<columns { y[index] = length == 0 ? x[index] : x[index] / length }
      }
    }
  }
}

/// `Binarizer`: 1 above the threshold, else 0.
struct BinarizerOperator: ShapedOperator {
  private let threshold: Double

  init(_ source: OperatorSource) throws { threshold = Double(try source.node.float("threshold", default: 0)) }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    try request.input(0).element.withArithmetic(Maker(request: request, threshold: threshold))
  }

  private struct Maker: ArithmeticVisitor {
    let request: PrepareRequest
    let threshold: Double
    func visit<Element: ArithmeticElement>(_: Element.Type) throws -> Kernel {
      let threshold = threshold
      return Kernel(
        "binarizer", units: try request.input(0).elementCount, costPerUnit: 2, threads: request.threads
      ) { operands, range in
        let (x, y) = (operands.input(0, as: Element.self), operands.output(0, as: Element.self))
        for index in range { y[index] = x[index].asDouble > threshold ? Element.one : Element.zero }
      }
    }
  }
}

/// `Imputer`: a value in place of the one that stands for a missing feature.
struct ImputerOperator: ShapedOperator {
  private let floats: [Float]
  private let integers: [Int]
  private let missing: Float
  private let missingInteger: Int

  init(_ source: OperatorSource) throws {
    let node = source.node
    floats = try node.floats("imputed_value_floats") ?? []
    integers = try node.ints("imputed_value_int64s") ?? []
    missing = try node.float("replaced_value_float", default: 0)
    missingInteger = try node.int("replaced_value_int64", default: 0)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    switch try request.input(0).element {
    case .float32: try kernel(request, floats, missing)
    case .float64: try kernel(request, floats.map(Double.init), Double(missing))
    case .int64: try kernel(request, integers.map(Int64.init), Int64(missingInteger))
    case .int32:
      try kernel(request, integers.map { Int32(clamping: $0) }, Int32(exactly: missingInteger))
    case let other: throw OperatorFailure.type(other)
    }
  }

  /// - Parameter missing: nil when no element can be it.
  private func kernel<Element: ArithmeticElement>(
    _ request: PrepareRequest, _ given: [Element], _ missing: Element?
  ) throws -> Kernel {
    let x = try request.input(0)
    let columns = x.shape.dimensions.last ?? 1
    if given.isEmpty { throw OperatorFailure.invalid("no values of type \(x.element.name) to put in") }
    if x.elementCount == 0 { return .nothing }
    // A list of any other length gives its first value to all features, as in onnxruntime.
    let values = given.count == columns ? given : Array(repeating: given[0], count: columns)
    // NaN stands for every NaN.
    let isNaN = missing.map { $0 != $0 } ?? false
    return Kernel(
      "imputer", units: x.elementCount / columns, costPerUnit: columns * 2, threads: request.threads
    ) { operands, range in
      for row in range {
        let x = operands.input(0, as: Element.self) + row * columns
        let y = operands.output(0, as: Element.self) + row * columns
        for index in 0..<columns {
          let isMissing = isNaN ? x[index] != x[index] : x[index] == missing
          y[index] = isMissing ? values[index] : x[index]
        }
      }
    }
  }
}
