import GraphIR
import Tensors

/// `FeatureVectorizer`: the inputs side by side as float32, each cut or filled with zeros to its width.
struct FeatureVectorizerOperator: ShapedOperator {
  private let widths: [Int]

  init(_ source: OperatorSource) throws { widths = try source.node.ints("inputdimensions") ?? [] }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let total = try request.output().shape[1]
    let rows = try request.output().shape[0]
    let sources = try widths.indices.map { index in
      let type = try request.input(index)
      let count = type.shape.rank <= 1 ? 1 : type.shape[0]
      if count != rows { throw OperatorFailure.invalid("inputs have \(rows) and \(count) rows") }
      return (element: type.element, columns: rows == 0 ? 0 : type.elementCount / rows)
    }
    let widths = widths
    return Kernel("feature_vectorizer", units: rows, costPerUnit: total, threads: request.threads) {
      operands, range in
      for row in range {
        var y = operands.output(0, as: Float.self) + row * total
        for (index, source) in sources.enumerated() {
          let count = min(source.columns, widths[index])
          let start = row * source.columns
          FeatureReader.convert(operands.rawInput(index), source.element, start..<(start + count), to: y)
          (y + count).update(repeating: 0, count: widths[index] - count)
          y += widths[index]
        }
      }
    }
  }
}

/// `ArrayFeatureExtractor`: columns by index.
struct FeatureExtractorOperator: ShapedOperator {
  private let width: Int

  static func implementation(_ source: OperatorSource) throws -> OperatorImplementation {
    guard let element = source.element(0) else { throw OperatorFailure.invalid("input 0 is no tensor") }
    if element == .string { return .dynamic(StringFeatureExtractorOperator()) }
    if element.bitWidth < 8 { throw OperatorFailure.type(element) }
    return .shaped(FeatureExtractorOperator(width: element.bitWidth / 8))
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    if shape.rank < 1 { throw OperatorFailure.invalid("features have no axis") }
    let columns = shape[shape.rank - 1]
    let count = try request.input(1).elementCount
    let rows = shape.product(0..<(shape.rank - 1))
    let width = width
    return Kernel("feature_extractor", units: rows, costPerUnit: count * 2, threads: request.threads) {
      operands, range in
      let indices = operands.input(1, as: Int.self)
      for index in 0..<count where indices[index] < 0 || indices[index] >= columns {
        throw OperatorFailure.invalid("feature \(indices[index]) of \(columns) is asked for")
      }
      for row in range {
        let x = operands.rawInput(0) + row * columns * width
        let y = operands.rawOutput() + row * count * width
        for index in 0..<count {
          (y + index * width).copyMemory(from: x + indices[index] * width, byteCount: width)
        }
      }
    }
  }
}

private struct StringFeatureExtractorOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    var x = try ValueInputs(inputs).tensor(0)
    if x.shape.rank < 1 { throw OperatorFailure.invalid("features have no axis") }
    if x.shape.rank == 1 { x = try x.reshaped(to: [1, x.shape[0]]) }
    let indices = try ValueInputs(inputs).tensor(1).array(of: Int.self)
    let columns = x.shape[x.shape.rank - 1]
    if let wrong = indices.first(where: { $0 < 0 || $0 >= columns }) {
      throw OperatorFailure.invalid("feature \(wrong) of \(columns) is asked for")
    }
    return [.tensor(try SliceSelection.take(indices, of: x, axis: x.shape.rank - 1))]
  }
}
