/// Takes back what hurts most for the least gain, until a candidate is good enough (the fallback of accuracy-aware
/// tuning, as in NNCF's accuracy control).
struct GreedyRepair: Sendable {
  private(set) var choices: [Int]
  /// Layers to take back, the worst first.
  private var order: [Int]
  /// How many the next call takes back. It doubles, so that any model is repaired in few evaluations.
  private var count = 1

  init(_ choices: [Int], in space: SearchSpace, objective: SearchGoal.Objective) {
    self.choices = choices
    let changed = space.layers.indices.filter { choices[$0] != 0 }
    let ratios = changed.map { layer in
      let (own, original) = (space.option(layer, choices), space.layers[layer].options[0])
      let saved =
        objective == .size
        ? Double(original.bytes - own.bytes) : original.microseconds - own.microseconds
      // What saves nothing goes first, whatever it costs.
      return saved > 0 ? (own.loss - original.loss) / saved : .infinity
    }
    order = zip(ratios, changed).sorted { $0.0 != $1.0 ? $0.0 > $1.0 : $0.1 < $1.1 }.map(\.1)
  }

  /// The next candidate to judge; nil once nothing but the original is left.
  mutating func next() -> [Int]? {
    if order.isEmpty { return nil }
    for layer in order.prefix(count) { choices[layer] = 0 }
    order.removeFirst(min(count, order.count))
    count *= 2
    return order.isEmpty ? nil : choices
  }
}
