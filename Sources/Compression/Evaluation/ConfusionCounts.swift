/// Counts decisions against the true classes, for the F1 score (van Rijsbergen 1979).
struct ConfusionCounts: Sendable {
  private struct Counts {
    var truePositives = 0
    var predicted = 0
    var actual = 0

    /// 2·TP / (2·TP + FP + FN); 0 where nothing was right.
    var f1: Double {
      predicted + actual == 0 ? 0 : 2 * Double(truePositives) / Double(predicted + actual)
    }
  }

  /// By class; only classes that were predicted or true are there.
  private var classes: [Int: Counts] = [:]
  private(set) var samples = 0

  mutating func add(predicted: Int, actual: Int) {
    samples += 1
    classes[predicted, default: Counts()].predicted += 1
    classes[actual, default: Counts()].actual += 1
    if predicted == actual { classes[actual]?.truePositives += 1 }
  }

  /// Of class 1 where all classes are 0 and 1, else the mean over the classes that were predicted or true (macro, as
  /// scikit-learn's `f1_score`); nil without samples.
  var f1: Double? {
    if samples == 0 { return nil }
    if classes.keys.allSatisfy({ $0 == 0 || $0 == 1 }) { return classes[1]?.f1 ?? 0 }
    return classes.keys.sorted().reduce(0) { $0 + (classes[$1]?.f1 ?? 0) } / Double(classes.count)
  }
}
