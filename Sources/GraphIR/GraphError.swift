/// What can be wrong with a model: its file, its graph, or the types that flow through it.
public enum GraphError: Error, Equatable, Sendable {
  /// The file cannot be read or written, or its bytes are not a model; the text says what.
  case file(String)
  case unsupportedIRVersion(Int)
  case unsupportedOpset(domain: String, version: Int)
  /// A tensor, initializer or attribute, whose elements or shape are wrong.
  case invalidTensor(name: String, reason: String)
  /// A node breaks a rule of its operator: an attribute, the number or type of its inputs, their shapes.
  case invalidNode(name: String, op: String, reason: String)
  /// No rule exists for a node's operator.
  case unknownOperator(name: String, op: String)
  /// A node has no equal in opset `version`.
  case unconvertible(name: String, op: String, version: Int, reason: String)
  /// The graph itself is inconsistent: names, order, references.
  case invalidGraph(reason: String)
  /// Two nodes, inputs or initializers provide a value of one name.
  case duplicateValue(graph: String, value: String)
  /// `reader`, a node or an output, reads a value that nothing provides.
  case undefinedValue(graph: String, value: String, reader: String)
  /// Nodes feed each other in a circle, of which `node` is a part.
  case cycle(graph: String, node: String)
  /// A value's declared type contradicts the type that its node gives.
  case typeConflict(value: String, declared: String, inferred: String)
}

extension GraphError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .file(let reason): reason
    case .unsupportedIRVersion(let version):
      "IR version \(version) is not supported, only \(Model.irVersions.lowerBound) to "
        + "\(Model.irVersions.upperBound)"
    case .unsupportedOpset(let domain, let version):
      "opset \(version) of domain '\(domain.isEmpty ? "ai.onnx" : domain)' is not supported, only "
        + "\(Model.opsetVersions.lowerBound) to \(Model.opsetVersions.upperBound)"
    case .invalidTensor(let name, let reason): "tensor '\(name)': \(reason)"
    case .invalidNode(let name, let op, let reason): "node '\(name)' (\(op)): \(reason)"
    case .unknownOperator(let name, let op): "node '\(name)': operator \(op) is not supported"
    case .unconvertible(let name, let op, let version, let reason):
      "node '\(name)' (\(op)) cannot be converted to opset \(version): \(reason)"
    case .invalidGraph(let reason): reason
    case .duplicateValue(let graph, let value): "graph '\(graph)': value '\(value)' is provided twice"
    case .undefinedValue(let graph, let value, let reader):
      "graph '\(graph)': \(reader) reads '\(value)', which nothing provides"
    case .cycle(let graph, let node): "graph '\(graph)': node '\(node)' depends on its own output"
    case .typeConflict(let value, let declared, let inferred):
      "value '\(value)' is declared as \(declared) but its node gives \(inferred)"
    }
  }
}
