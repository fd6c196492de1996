import GraphIR
import Tensors

extension EngineTable {
  static let stringOperators: [OperatorEntry] = [
    OperatorEntry(dynamic: "StringNormalizer") { try StringNormalizerOperator($0.node) },
    OperatorEntry(dynamic: "StringConcat") { _ in StringConcatOperator() },
    OperatorEntry(dynamic: "StringSplit") { source in
      StringSplitOperator(
        delimiter: Array(try source.node.string("delimiter", default: "").utf8),
        maximum: try source.node.optionalInt("maxsplit"))
    },
    OperatorEntry(dynamic: "RegexFullMatch", types: [.string]) { source in
      RegexFullMatchOperator(pattern: try RegularExpression(try source.node.string("pattern", default: "")))
    },
    OperatorEntry(dynamic: "TfIdfVectorizer", types: [.string, .int32, .int64]) {
      TfIdfOperator(try TfIdfAttributes($0.node))
    },
  ]
}

private func strings(_ inputs: [RuntimeValue?], _ index: Int) throws -> (shape: Shape, elements: [String]) {
  guard let tensor = inputs[index]?.tensor, let elements = tensor.strings else {
    throw OperatorFailure.invalid("input \(index) is no tensor of strings")
  }
  return (tensor.shape, elements)
}

/// `StringNormalizer`: without stop words, in one case. What is left of nothing is one empty string.
struct StringNormalizerOperator: DynamicOperator {
  private enum Change: String, CaseIterable { case lower = "LOWER", upper = "UPPER", none = "NONE" }
  private let change: Change
  private let isCaseSensitive: Bool
  private let stopwords: Set<[UInt8]>

  init(_ node: Node) throws {
    change = try node.choice("case_change_action", default: .none)
    let isCaseSensitive = try node.flag("is_case_sensitive")
    self.isCaseSensitive = isCaseSensitive
    // These languages change case by rules of their own.
    let locale = try node.string("locale", default: "en_US")
    if ["tr", "az", "lt"].contains(locale.prefix(2)) {
      throw OperatorFailure.unsupported("locale '\(locale)'")
    }
    let words = try node.strings("stopwords") ?? []
    stopwords = Set(words.map { Array((isCaseSensitive ? $0 : $0.lowercased()).utf8) })
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let (shape, words) = try strings(inputs, 0)
    guard shape.rank == 1 || (shape.rank == 2 && shape[0] == 1) else {
      throw OperatorFailure.invalid("shape \(shape) is neither [C] nor [1,C]")
    }
    var kept = words.filter { !stopwords.contains(Array((isCaseSensitive ? $0 : $0.lowercased()).utf8)) }
    switch change {
    case .lower: kept = kept.map { $0.lowercased() }
    case .upper: kept = kept.map { $0.uppercased() }
    case .none: break
    }
    if kept.isEmpty { kept = [""] }
    return [.tensor(try Tensor(shape: shape.rank == 1 ? [kept.count] : [1, kept.count], strings: kept))]
  }
}

/// `StringConcat`, with broadcasting.
struct StringConcatOperator: DynamicOperator {
  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let left = try strings(inputs, 0)
    let right = try strings(inputs, 1)
    guard let shape = left.shape.broadcast(with: right.shape), let count = shape.checkedElementCount,
      count * MemoryLayout<String>.stride <= context.memoryLimit
    else { throw OperatorFailure.invalid("shapes \(left.shape) and \(right.shape) do not broadcast") }
    let results = (0..<count).map { position in
      left.elements[Self.offset(position, shape, left.shape)]
        + right.elements[Self.offset(position, shape, right.shape)]
    }
    return [.tensor(try Tensor(shape: shape, strings: results))]
  }

  private static func offset(_ position: Int, _ shape: Shape, _ own: Shape) -> Int {
    var (rest, offset, step) = (position, 0, 1)
    for axis in 0..<own.rank {
      let (place, ownPlace) = (shape.rank - 1 - axis, own.rank - 1 - axis)
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: shape[place])
      rest = quotient
      if own[ownPlace] != 1 { offset += index * step }
      step *= own[ownPlace]
    }
    return offset
  }
}

/// `StringSplit`: as Python's `str.split` does; shorter results are filled with empty strings.
struct StringSplitOperator: DynamicOperator {
  /// UTF-8; empty: any run of white space.
  let delimiter: [UInt8]
  let maximum: Int?

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let (shape, elements) = try strings(inputs, 0)
    let parts = elements.map { delimiter.isEmpty ? words($0) : pieces(Array($0.utf8)) }
    let columns = parts.map(\.count).max() ?? 0
    let (total, overflow) = parts.count.multipliedReportingOverflow(by: columns)
    if overflow || total > context.memoryLimit / MemoryLayout<String>.stride {
      throw EngineError.memoryLimit(bytes: overflow ? Int.max : total * 16, limit: context.memoryLimit)
    }
    let filled = parts.flatMap { $0 + Array(repeating: "", count: columns - $0.count) }
    return [
      .tensor(try Tensor(shape: Shape(shape.dimensions + [columns]), strings: filled)),
      .tensor(try Tensor(shape: shape, parts.map(\.count))),
    ]
  }

  private func pieces(_ text: [UInt8]) -> [String] {
    var result: [String] = []
    var start = 0
    var at = 0
    while at + delimiter.count <= text.count {
      if let maximum, maximum >= 0, result.count == maximum { break }
      if text[at..<(at + delimiter.count)].elementsEqual(delimiter) {
        result.append(String(decoding: text[start..<at], as: UTF8.self))
        at += delimiter.count
        start = at
      } else {
        at += 1
      }
    }
    return result + [String(decoding: text[start...], as: UTF8.self)]
  }

  private func words(_ text: String) -> [String] {
    let scalars = text.unicodeScalars
    var result: [String] = []
    var rest = scalars[...]
    while let first = rest.firstIndex(where: { !$0.properties.isWhitespace }) {
      rest = rest[first...]
      if let maximum, maximum >= 0, result.count == maximum { return result + [String(rest)] }
      let end = rest.firstIndex(where: \.properties.isWhitespace) ?? rest.endIndex
      result.append(String(rest[..<end]))
      rest = rest[end...]
    }
    return result
  }
}

/// `RegexFullMatch`.
struct RegexFullMatchOperator: DynamicOperator {
  let pattern: RegularExpression

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let (shape, elements) = try strings(inputs, 0)
    return [.tensor(try Tensor(shape: shape, elements.map(pattern.matchesAll)))]
  }
}

/// `TfIdfVectorizer`: how often each n-gram of a pool occurs, with a weight.
struct TfIdfOperator: DynamicOperator {
  private let attributes: TfIdfAttributes
  private let stringIDs: [[UInt8]: Int]
  private let integerIDs: [Int: Int]
  private let ngrams: [[Int]: Int]

  init(_ attributes: TfIdfAttributes) {
    self.attributes = attributes
    var stringIDs: [[UInt8]: Int] = [:]
    var integerIDs: [Int: Int] = [:]
    var pool: [Int] = []
    for string in attributes.strings ?? [] {
      let key = Array(string.utf8)
      pool.append(stringIDs[key] ?? stringIDs.count)
      stringIDs[key] = pool.last
    }
    for integer in attributes.integers ?? [] {
      pool.append(integerIDs[integer] ?? integerIDs.count)
      integerIDs[integer] = pool.last
    }
    var ngrams: [[Int]: Int] = [:]
    var number = 0
    for (position, start) in attributes.counts.enumerated() {
      let end = position + 1 < attributes.counts.count ? attributes.counts[position + 1] : pool.count
      for first in stride(from: start, to: end, by: position + 1) {
        ngrams[Array(pool[first...(first + position)])] = number
        number += 1
      }
    }
    self.stringIDs = stringIDs
    self.integerIDs = integerIDs
    self.ngrams = ngrams
  }

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    let tensor = try ValueInputs(inputs).tensor(0)
    let items: [Int]
    switch (tensor.type, attributes.strings != nil) {
    case (.string, true): items = (tensor.strings ?? []).map { stringIDs[Array($0.utf8)] ?? -1 }
    case (.int64, false): items = tensor.array(of: Int.self).map { integerIDs[$0] ?? -1 }
    case (.int32, false): items = tensor.array(of: Int32.self).map { integerIDs[Int($0)] ?? -1 }
    default: throw OperatorFailure.type(tensor.type)
    }
    let rows = tensor.shape.rank == 2 ? tensor.shape[0] : 1
    let length = rows == 0 ? 0 : items.count / rows
    let columns = attributes.columns
    if columns * 4 > context.memoryLimit / max(rows, 1) {
      throw EngineError.memoryLimit(bytes: Int.max, limit: context.memoryLimit)
    }
    var result = [Float](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for (ngram, count) in frequencies(Array(items[(row * length)..<((row + 1) * length)])) {
        let weight = attributes.weights?[ngram] ?? 1
        let place = row * columns + attributes.indexes[ngram]
        switch attributes.mode {
        case .frequency: result[place] = Float(count)
        case .inverse: result[place] = weight
        case .both: result[place] = weight * Float(count)
        }
      }
    }
    let shape: Shape = tensor.shape.rank == 2 ? [rows, columns] : [columns]
    return [.tensor(try Tensor(shape: shape, result))]
  }

  /// How often each n-gram occurs, items taken with gaps of 0 to the permitted number; single items have none.
  private func frequencies(_ items: [Int]) -> [Int: Int] {
    var result: [Int: Int] = [:]
    let known = attributes.lengths.clamped(to: 0...max(attributes.counts.count, 0))
    for size in known where size >= 1 && size <= attributes.counts.count && size <= items.count {
      for skip in 0...(size == 1 ? 0 : attributes.maximumSkip) {
        let span = (size - 1) * (skip + 1)
        if span >= items.count { break }
        for start in 0..<(items.count - span) {
          let key = stride(from: start, through: start + span, by: skip + 1).map { items[$0] }
          if let ngram = ngrams[key] { result[ngram, default: 0] += 1 }
        }
      }
    }
    return result
  }
}
