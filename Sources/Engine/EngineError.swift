import GraphIR
import Tensors

/// What can go wrong while a model is compiled, planned or run.
///
/// `node` is the node's name in the file, or the name of its first output when it has none.
public enum EngineError: Error, Equatable, Sendable {
  /// The graph itself is wrong (unknown operator, cycle, contradicting types …); the text says where.
  case invalidModel(String)
  /// No kernel computes this operator.
  case unsupportedOperator(node: String, op: String)
  /// The operator is there, but not for these element types.
  case unsupportedType(node: String, op: String, type: String)
  /// The operator is there, but not with these attributes or inputs.
  case unsupported(node: String, op: String, reason: String)
  case inputCount(expected: Int, actual: Int)
  case inputType(name: String, expected: String, actual: String)
  /// `expected` and `actual` are shapes as text; `?` stands for any extent.
  case inputShape(name: String, expected: String, actual: String)
  /// The shapes or values that reached this node do not fit its operator.
  case invalidOperation(node: String, op: String, reason: String)
  /// One tensor, or all of a run's tensors together, would take more than the limit.
  case memoryLimit(bytes: Int, limit: Int)
  case outOfMemory(bytes: Int)
  /// `Session.isCancelled` said so.
  case cancelled
}

extension EngineError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .invalidModel(let reason): reason
    case .unsupportedOperator(let node, let op): "node '\(node)': operator \(op) is not supported"
    case .unsupportedType(let node, let op, let type):
      "node '\(node)': operator \(op) is not supported for \(type)"
    case .unsupported(let node, let op, let reason): "node '\(node)': operator \(op): \(reason)"
    case .inputCount(let expected, let actual): "expected \(expected) inputs, got \(actual)"
    case .inputType(let name, let expected, let actual):
      "input '\(name)': expected \(expected), got \(actual)"
    case .inputShape(let name, let expected, let actual):
      "input '\(name)': expected shape \(expected), got \(actual)"
    case .invalidOperation(let node, let op, let reason): "node '\(node)' (\(op)): \(reason)"
    case .memoryLimit(let bytes, let limit): "needs \(bytes) bytes, over the limit of \(limit)"
    case .outOfMemory(let bytes): "out of memory: \(bytes) bytes"
    case .cancelled: "cancelled"
    }
  }
}

/// What an operator throws. It does not know its node: `EngineError.init(_:node:)` adds that once.
enum OperatorFailure: Error, Equatable {
  case type(String)
  case unsupported(String)
  case invalid(String)
  /// `prepare` needs the elements of this input, which only a run tells: the node runs as a dynamic step then.
  case notKnown(input: Int)
  case outOfMemory(bytes: Int)

  static func type(_ types: ElementType...) -> OperatorFailure {
    .type(types.map(\.name).joined(separator: ", "))
  }
}

extension Node {
  /// The name by which messages speak of this node.
  func label(in graph: Graph) -> String {
    if !name.isEmpty { return name }
    guard let output = outputs.first(where: { !$0.isNone }) else { return op.description }
    return graph[output].name
  }
}

extension EngineError {
  /// Adds the node to what its operator, its shape rule or a tensor threw.
  init(_ error: any Error, node: String, op: OperatorName) {
    let op = op.description
    switch error {
    case let error as EngineError: self = error
    case OperatorFailure.type(let type): self = .unsupportedType(node: node, op: op, type: type)
    case OperatorFailure.unsupported(let reason): self = .unsupported(node: node, op: op, reason: reason)
    case OperatorFailure.invalid(let reason): self = .invalidOperation(node: node, op: op, reason: reason)
    case OperatorFailure.notKnown(let input):
      self = .invalidOperation(node: node, op: op, reason: "input \(input) is not known before the run")
    case OperatorFailure.outOfMemory(let bytes): self = .outOfMemory(bytes: bytes)
    case GraphError.invalidNode(_, _, let reason):
      self = .invalidOperation(node: node, op: op, reason: reason)
    case TensorError.outOfMemory(let bytes): self = .outOfMemory(bytes: bytes)
    default: self = .invalidOperation(node: node, op: op, reason: String(describing: error))
    }
  }
}
