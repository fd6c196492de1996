/// What flows along an edge of a graph while it runs, or lies in a file of test data.
public indirect enum RuntimeValue: Sendable, Equatable {
  case tensor(Tensor)
  /// nil: empty.
  case optional(RuntimeValue?)
  case sequence([RuntimeValue])

  public var tensor: Tensor? { if case .tensor(let tensor) = self { tensor } else { nil } }
}
