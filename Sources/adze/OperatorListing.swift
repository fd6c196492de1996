import Engine
import GraphIR
import Tensors

/// How `adze operators` writes what the engine computes.
enum OperatorListing {
  /// The member names are those of the JSON.
  struct Entry: Encodable {
    var name: String
    var domain: String
    var supported: Bool
    /// Opset versions that introduced or changed the operator.
    var versions: [Int]
    /// Of input `typed_input`.
    var types: [String]
    var typed_input: Int
    var becomes: String?

    init(_ support: OperatorSupport) {
      name = support.op.type
      domain = support.op.domain
      supported = isComputed(support)
      versions = support.versions
      types = support.types.map(\.name)
      typed_input = support.typedInput
      becomes = support.replacement?.description ?? (support.isRewritten ? rewritten : nil)
    }
  }

  static func isComputed(_ support: OperatorSupport) -> Bool {
    support.isSupported || support.isRewritten || support.replacement != nil
  }

  private static let rewritten = "operators of ai.onnx"

  static func line(_ support: OperatorSupport) -> String {
    let versions = support.versions.isEmpty ? "" : "  since \(support.versions[0])"
    return "\(support.op)\(versions)  \(types(support))"
  }

  /// One table for each domain.
  static func markdown(_ operators: [OperatorSupport]) -> String {
    var lines: [String] = []
    for (index, support) in operators.enumerated() {
      if index == 0 || operators[index - 1].op.domain != support.op.domain {
        let domain = support.op.domain.isEmpty ? "ai.onnx" : support.op.domain
        let own = operators.filter { $0.op.domain == support.op.domain }
        lines += [
          "", "## \(domain)", "", "\(own.count(where: isComputed)) of \(own.count) operators.", "",
          "| operator | versions | types |", "|---|---|---|",
        ]
      }
      let versions = support.versions.map(String.init).joined(separator: ", ")
      lines.append("| \(support.op.type) | \(versions) | \(types(support)) |")
    }
    return lines.dropFirst().joined(separator: "\n")
  }

  private static func types(_ support: OperatorSupport) -> String {
    if let replacement = support.replacement { return "becomes \(replacement)" }
    if support.isRewritten { return "becomes \(rewritten)" }
    if !support.isSupported { return "not computed" }
    return (support.typedInput == 0 ? "" : "input \(support.typedInput): ") + summary(support.types)
  }

  /// Groups that occur together often, largest first.
  private static let groups: [(name: String, types: [ElementType])] = [
    ("float8", [.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0]),
    ("int8 to int64", [.int8, .int16, .int32, .int64]),
    ("uint8 to uint64", [.uint8, .uint16, .uint32, .uint64]),
    ("float16, bfloat16, float32, float64", [.float16, .bfloat16, .float32, .float64]),
    ("complex", [.complex64, .complex128]),
  ]

  /// The names of `types`, well-known groups as one.
  static func summary(_ types: [ElementType]) -> String {
    if types.count == ElementType.allCases.count { return "all" }
    if types.isEmpty { return "a map, no tensor" }
    var rest = types
    var words: [(place: UInt8, text: String)] = []
    for group in groups where group.types.allSatisfy(rest.contains) {
      rest.removeAll(where: group.types.contains)
      words.append((group.types[0].rawValue, group.name))
    }
    words += rest.map { ($0.rawValue, $0.name) }
    return words.sorted { $0.place < $1.place }.map(\.text).joined(separator: ", ")
  }
}
