extension SearchGoal {
  /// What a search is to keep. Without a limit of quality the result may lose one part in a hundred.
  /// - Parameter original: what the original does and takes.
  init(_ recipe: Recipe, _ original: (quality: Quality, cost: Cost?), fileBytes: Int) {
    self.init(recipe, original.quality, promise: 0.01)
    let wanted = recipe.constraints
    objective = recipe.search?.minimize == .size ? .size : .latency
    let ratio = wanted.maxSizeRatio.map { Int((Double(fileBytes) * $0).rounded(.down)) }
    maxBytes = [wanted.sizeMax, ratio].compactMap { $0 }.min()
    maxMicroseconds = wanted.latencyMax.map { $0 * 1e3 }
    maxMeanMicroseconds = wanted.minSpeedup.flatMap { speedup in
      original.cost?.geometricMean.map { $0 / max(speedup, .leastNormalMagnitude) }
    }
    maxResidentBytes = wanted.memoryMax
  }

  /// What the recipe says about quality, or else `promise`, in the unit of a fraction.
  init(_ recipe: Recipe, _ original: Quality, promise: Double?) {
    let wanted = recipe.constraints
    let isLimited = wanted.maxDrop != nil || wanted.minAgreement != nil
    maxLoss = wanted.maxDrop ?? (isLimited ? nil : promise.map { original.metric.share($0) })
    minAgreement = wanted.minAgreement
  }
}

extension MetricResult {
  /// So much of the metric in its own unit: a fraction as it is, of an error that part of its value.
  func share(_ part: Double) -> Double {
    switch name {
    case .accuracy, .top5, .agreement, .f1, .auroc, .r2, .cosine, .kl: part
    // Of noise by signal: 20 dB for one part in a hundred.
    case .sqnr: part * 10
    case .rmse, .mae, .perplexity: part * abs(value ?? 0)
    }
  }
}
