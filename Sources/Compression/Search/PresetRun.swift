import GraphIR
import Tensors

/// Carries out a preset, and takes layers back until the result keeps the preset's promise.
///
/// Bold steps are tried first. Where they lose too much, the layers that add most noise for what they save are left to
/// the careful steps: first as many as bring the noise down as far as the loss has to come down, then more at every
/// try. Then the careful steps are taken for all layers, and at the end the model stays as it is. Steps that make the
/// model clearly slower are left out too.
struct PresetRun {
  /// Whole models that are judged at most.
  private static let mostTrials = 6
  /// From here on a candidate is slower than the original beyond what the machine's noise explains.
  private static let clearSlowdown = 1.1

  struct Outcome {
    var steps: [Recipe.Step] = []
    var notes: [String] = []
    /// By layer, for people.
    var decisions: [String: String] = [:]
  }

  private let judge: ModelJudge
  private let levels: [[Recipe.Step]]
  /// Nil: whatever can be built is good enough.
  private let goal: SearchGoal?
  private var trials = 0
  /// The part of the last candidate's loss that is allowed.
  private var share = 0.5
  private var outcome = Outcome()

  init(_ judge: ModelJudge, _ levels: [[Recipe.Step]], goal: SearchGoal?) {
    self.judge = judge
    self.levels = levels
    self.goal = goal
  }

  /// - Throws: `CompressionError.cancelled`; a candidate that fails is left for the next one.
  mutating func run() throws(CompressionError) -> Outcome {
    for (index, level) in levels.enumerated() {
      // Only the last but one is worth saving in parts: what is bolder is for models that can bear it as a whole.
      let isBoldest = index < levels.count - 2
      let isLast = index == levels.count - 1
      // A trial is left for each of the levels that follow.
      let most = isBoldest ? 1 : Self.mostTrials - (levels.count - 1 - index)
      if let steps = try attempt(level, next: isLast ? [] : levels[index + 1], most) {
        if !isLast, try isSlow(steps) { continue }
        outcome.steps = steps
        return outcome
      }
    }
    outcome.notes.append("No candidate of the preset was good enough: the model was left as it is.")
    return outcome
  }

  /// - Parameter next: what layers that are taken back are left to.
  private mutating func attempt(
    _ level: [Recipe.Step], next: [Recipe.Step], _ most: Int
  ) throws(CompressionError) -> [Recipe.Step]? {
    guard try isGood(level) else {
      guard goal != nil, trials < most, judge.last?.steps == level else { return nil }
      var order = try noisiest()
      var back: [String] = []
      var count = Self.layersToTakeBack(order.map(\.noise), keeping: share)
      while trials < most, order.count > count {
        back += order.prefix(count).map(\.name)
        order.removeFirst(count)
        // One more layer for every two.
        count = max(1, back.count / 2)
        let steps = Self.leaving(back, level, to: next)
        if try isGood(steps) {
          for name in back {
            outcome.decisions[name] = "taken back: it added the most noise for what it saves"
          }
          outcome.notes.append(
            "\(back.count) of \(back.count + order.count) layers were taken back, as the preset lost too much: "
              + back.prefix(20).joined(separator: ", ") + (back.count > 20 ? " …" : "") + ".")
          return steps
        }
      }
      return nil
    }
    return level
  }

  /// What is left out for its speed; the last level only stores weights differently.
  private mutating func isSlow(_ steps: [Recipe.Step]) throws(CompressionError) -> Bool {
    guard let evaluator = judge.evaluator, let candidate = judge.last, candidate.steps == steps else {
      return false
    }
    let slowdown = try evaluator.slowdown(of: candidate.runner)
    if slowdown < Self.clearSlowdown { return false }
    outcome.decisions = [:]
    outcome.notes.append(
      "Candidate \(trials) of the preset is left out: it takes \(Verdict.short(slowdown)) times as long as the "
        + "original.")
    return true
  }

  private mutating func isGood(_ steps: [Recipe.Step]) throws(CompressionError) -> Bool {
    trials += 1
    do {
      guard let goal else {
        _ = try judge.build(steps)
        return true
      }
      let quality = try judge.judge(steps, rows: nil).quality
      if goal.isMet(by: quality) { return true }
      share = goal.maxLoss.map { max(0, $0) / max(quality.loss, .leastNonzeroMagnitude) } ?? 0.5
      outcome.notes.append(
        "Candidate \(trials) of the preset loses too much: \(Verdict.short(quality.loss)) of "
          + "\(quality.metric.name.rawValue).")
    } catch .cancelled {
      throw .cancelled
    } catch {
      outcome.notes.append("Candidate \(trials) was left out: \(error.description).")
    }
    return false
  }

  /// How many layers from the start of `noise` add all of it but `share`; one at least.
  static func layersToTakeBack(_ noise: [Double], keeping share: Double) -> Int {
    let total = noise.reduce(0, +)
    var left = total
    var count = 0
    for value in noise where left > total * share {
      left -= value
      count += 1
    }
    return max(count, 1)
  }

  /// The layers that the last candidate changed and the noise they add, those that add most for what they save first.
  private func noisiest() throws(CompressionError) -> [(name: String, noise: Double)] {
    guard let candidate = judge.last, let samples = judge.evaluator?.reference.dataset else { return [] }
    let comparison = try LayerComparison(
      judge.reference, candidate.model, candidate.ledger, samples, judge.resources)
    let layers = LayerScan(judge.reference).layers
    let noise = LayerNoise.added(comparison.sqnr, layers, in: judge.reference.graph)
    let changed = Set(candidate.ledger.reports({ _, _ in }).filter { !$0.methods.isEmpty }.map(\.name))
    var scores: [(name: String, score: Double, noise: Double)] = []
    for (layer, noise) in zip(layers, noise) where changed.contains(layer.name) {
      let isInner = !layer.path.steps.isEmpty
      let count = isInner ? nil : comparison.multiplies[judge.reference.graph[layer.output].name]
      let saved = count ?? layer.weights.elementCount
      let score = noise / Double(max(saved, 1)).squareRoot()
      if let place = scores.firstIndex(where: { $0.name == layer.name }) {
        scores[place].score += score
        scores[place].noise += noise
      } else {
        scores.append((layer.name, score, noise))
      }
    }
    // Sorting is stable: equal scores keep the order of the graph.
    return scores.sorted { $0.score > $1.score }.map { ($0.name, $0.noise) }
  }

  /// The steps without the layers `names`, which are left to `next`.
  static func leaving(_ names: [String], _ steps: [Recipe.Step], to next: [Recipe.Step]) -> [Recipe.Step] {
    let rest = steps.filter { !next.contains($0) }
    return rest.map { $0.excluding(names) } + next
  }
}

extension Recipe.Step {
  fileprivate func excluding(_ names: [String]) -> Recipe.Step {
    var selection = payload.selection
    selection.exclude += names
    return with(selection)
  }
}
