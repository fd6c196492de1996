/// How a grid's range is chosen when the largest weights are few.
public enum Clip: String, Sendable, CaseIterable {
  /// `none` at 8 bits or more; below `oscar` where something is known of the inputs, else `mse`.
  case auto
  /// The range covers every weight.
  case none
  /// The least Σ|Q(w) − w|^2.4 over 80 ranges (Frantar et al., GPTQ 2022, `find_params` of its code).
  case mse
  /// The least expected error of the layer's output, exact, each weight counted by E[x²] of its input.
  case oscar

  /// What `auto` stands for.
  func resolved(bits: Int, knowsInputs: Bool) -> Clip {
    if self != .auto { return self }
    return bits >= 8 ? .none : knowsInputs ? .oscar : .mse
  }
}
