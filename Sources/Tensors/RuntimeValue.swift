/// What flows along an edge of a graph while it runs, or lies in a file of test data.
public indirect enum RuntimeValue: Sendable, Equatable {
  case tensor(Tensor)
  /// nil: empty.
  case optional(RuntimeValue?)
  case sequence([RuntimeValue])
  /// Both have one axis and equally many elements. Keys are int64 or strings, each there once, in ascending order
  /// (strings by their bytes).
  case map(keys: Tensor, values: Tensor)

  public var tensor: Tensor? { if case .tensor(let tensor) = self { tensor } else { nil } }
}
