import Tensors

/// The operators of domain ai.onnx.ml that make maps or read them.
enum MapRules {
  static let all: [OperatorRule] = [
    ClassicalRules.rule("ZipMap", ["classlabels_int64s", "classlabels_strings"]) {
      context throws(GraphError) in
      try context.expect(0, .float32)
      try context.expectRank(0, 1...2)
      let key = try keyType(context, integers: "classlabels_int64s", strings: "classlabels_strings")
      context.setOutput(0, .sequence(.map(key: key, value: .tensor(TensorType(.float32, nil)))))
    },
    ClassicalRules.rule("DictVectorizer", ["int64_vocabulary", "string_vocabulary"]) {
      context throws(GraphError) in
      let key = try keyType(context, integers: "int64_vocabulary", strings: "string_vocabulary")
      let node = context.node
      let count = max(
        try node.ints("int64_vocabulary")?.count ?? 0, try node.strings("string_vocabulary")?.count ?? 0)
      guard let type = context.valueType(0) else { return }
      guard case .map(key, .tensor(let value)) = type else {
        throw context.error("input 0 must be a map with \(key.name) keys")
      }
      context.setOutput(0, value.element, [.known(1), .known(count)])
    },
    ClassicalRules.rule("CastMap", ["cast_to", "map_form", "max_map"]) { context throws(GraphError) in
      let node = context.node
      if let type = context.valueType(0) {
        guard case .map(.int64, _) = type else {
          throw context.error("input 0 must be a map with int64 keys")
        }
      }
      let isSparse = try node.string("map_form", default: "DENSE") == "SPARSE"
      let width = isSparse ? try node.int("max_map", default: 1) : nil
      let element: ElementType
      switch try node.string("cast_to", default: "TO_FLOAT") {
      case "TO_FLOAT": element = .float32
      case "TO_INT64": element = .int64
      case "TO_STRING": element = .string
      case let other: throw context.error("attribute 'cast_to' is '\(other)'")
      }
      context.setOutput(0, element, [.known(1), width.map(Dimension.known) ?? .unknown])
    },
  ]

  private static func keyType(
    _ context: InferenceContext, integers: String, strings: String
  ) throws(GraphError) -> ElementType {
    let numbers = try context.node.ints(integers) ?? []
    let names = try context.node.strings(strings) ?? []
    if numbers.isEmpty == names.isEmpty { throw context.error("needs either '\(strings)' or '\(integers)'") }
    return numbers.isEmpty ? .string : .int64
  }
}
