import Tensors

/// The V2 protocol's names of element types.
extension ElementType {
  /// `FP32`, `BYTES` …; types that the protocol does not know go by their own name in capitals (`INT4`).
  var v2Name: String {
    switch self {
    case .float32: "FP32"
    case .float64: "FP64"
    case .float16: "FP16"
    case .bfloat16: "BF16"
    case .string: "BYTES"
    default: name.uppercased()
    }
  }

  /// `TYPE_FP32`, `TYPE_STRING` …, as in a model configuration.
  var v2ConfigurationName: String { self == .string ? "TYPE_STRING" : "TYPE_" + v2Name }

  private static let byV2Name = [String: ElementType](
    uniqueKeysWithValues: allCases.map { ($0.v2Name, $0) })

  init?(v2Name: String) {
    guard let type = Self.byV2Name[v2Name] else { return nil }
    self = type
  }
}
