/// What can be wrong with a model: its file, its graph, or the types that flow through it.
public enum GraphError: Error, Equatable, Sendable {
  /// A node breaks a rule of its operator: an attribute, the number or type of its inputs, their shapes.
  case invalidNode(name: String, op: String, reason: String)
  /// No rule exists for a node's operator.
  case unknownOperator(name: String, op: String)
  /// The graph itself is inconsistent: names, order, references.
  case invalidGraph(reason: String)
  /// A value's declared type contradicts the type that its node gives.
  case typeConflict(value: String, declared: String, inferred: String)
}

extension GraphError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .invalidNode(let name, let op, let reason): "node '\(name)' (\(op)): \(reason)"
    case .unknownOperator(let name, let op): "node '\(name)': operator \(op) is not supported"
    case .invalidGraph(let reason): reason
    case .typeConflict(let value, let declared, let inferred):
      "value '\(value)' is declared as \(declared) but its node gives \(inferred)"
    }
  }
}
