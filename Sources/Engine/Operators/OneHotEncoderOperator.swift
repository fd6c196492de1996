import GraphIR
import Tensors

/// `OneHotEncoder`: a 1 at the place of the category. Numbers are cut to integers first.
struct OneHotEncoderOperator: ShapedOperator {
  private let places: [Int: Int]
  private let count: Int
  /// False: a category that is not listed is an error.
  private let allowsOthers: Bool

  static func implementation(_ source: OperatorSource) throws -> OperatorImplementation {
    let node = source.node
    let allowsOthers = try node.flag("zeros", default: true)
    if source.element(0) == .string {
      guard let strings = try node.strings("cats_strings"), !strings.isEmpty else {
        throw OperatorFailure.unsupported("strings with categories that are integers")
      }
      return .dynamic(try StringOneHotEncoder(strings, allowsOthers))
    }
    guard let integers = try node.ints("cats_int64s"), !integers.isEmpty else {
      throw OperatorFailure.unsupported("numbers with categories that are strings")
    }
    try source.element(0, in: EngineTable.classicalNumbers)
    return .shaped(OneHotEncoderOperator(integers, allowsOthers))
  }

  private init(_ categories: [Int], _ allowsOthers: Bool) {
    // The last of several equal categories counts.
    places = Dictionary(categories.enumerated().map { ($1, $0) }, uniquingKeysWith: { $1 })
    count = categories.count
    self.allowsOthers = allowsOthers
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    try request.input(0).element.withArithmetic(Maker(encoder: self, request: request))
  }

  static let unknown = OperatorFailure.invalid("a category is not listed, and 'zeros' is 0")

  private struct Maker: ArithmeticVisitor {
    let encoder: OneHotEncoderOperator
    let request: PrepareRequest

    func visit<Element: ArithmeticElement>(_: Element.Type) throws -> Kernel {
      let (places, width, allowsOthers) = (encoder.places, encoder.count, encoder.allowsOthers)
      return Kernel(
        "one_hot_encoder", units: try request.input(0).elementCount, costPerUnit: width + 32,
        threads: request.threads
      ) { operands, range in
        let x = operands.input(0, as: Element.self)
        let y = operands.output(0, as: Float.self)
        (y + range.lowerBound * width).update(repeating: 0, count: range.count * width)
        for index in range {
          if let place = places[Int(saturating: x[index])] {
            y[index * width + place] = 1
          } else if !allowsOthers {
            throw OneHotEncoderOperator.unknown
          }
        }
      }
    }
  }
}

extension Int {
  /// A number cut to an integer; integers go over exactly.
  fileprivate init<Element: ArithmeticElement>(saturating value: Element) {
    let integer = value as? Int64 ?? Int64(saturating: value.asDouble)
    self = Int(integer)
  }
}

private struct StringOneHotEncoder: DynamicOperator {
  private let table: KeyTable
  private let count: Int
  private let allowsOthers: Bool

  init(_ categories: [String], _ allowsOthers: Bool) throws {
    table = try KeyTable(try Tensor(shape: [categories.count], strings: categories), keepsFirst: false)
    count = categories.count
    self.allowsOthers = allowsOthers
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let x = try ValueInputs(inputs).tensor(0)
    let shape = Shape(x.shape.dimensions + [count])
    guard let elements = shape.checkedElementCount, elements <= context.memoryLimit / 4 else {
      throw OperatorFailure.invalid("the result of shape \(shape) is too large")
    }
    var result = try Tensor(type: .float32, shape: shape)
    let places = try table.places(of: x)
    if !allowsOthers && places.contains(nil) { throw OneHotEncoderOperator.unknown }
    result.withMutableElements(Float.self) { y in
      for (index, place) in places.enumerated() { if let place { y[index * count + place] = 1 } }
    }
    return [.tensor(result)]
  }
}
