/// How many weights each layer loses when all together lose a given fraction.
enum SparsityAllocation {
  /// One ranking over all layers.
  ///
  /// - Parameter isNormalized: divides scores by their layer's root mean square, for those that grow with the layer's
  ///   inputs: layers of large inputs would lose nothing.
  /// - Returns: the fraction that each layer loses; 0 for layers without weights.
  static func global(_ scores: [[Float]], sparsity: Double, isNormalized: Bool = true) -> [Double] {
    let total = scores.reduce(0) { $0 + $1.count }
    let count = MaskStructure.count(sparsity, of: total)
    if count == 0 { return scores.map { _ in 0 } }
    let factors = scores.map { layer -> Float in
      if !isNormalized { return 1 }
      let squares = layer.reduce(0.0) { $0 + Double($1) * Double($1) }
      return squares > 0 ? Float((Double(layer.count) / squares).squareRoot()) : 1
    }
    var smallest = SmallestScores(count: count) { visit in
      for (layer, factor) in zip(scores, factors) {
        for score in layer { visit(MaskStructure.key(score * factor)) }
      }
    }
    return zip(scores, factors).map { layer, factor in
      var chosen = 0
      for score in layer where smallest.chooses(MaskStructure.key(score * factor)) { chosen += 1 }
      return layer.isEmpty ? 0 : Double(chosen) / Double(layer.count)
    }
  }

  /// Erdős–Rényi kernel: a layer's density is proportional to the sum of its weight's extents over their product, so
  /// that small layers stay denser (Evci et al., "Rigging the lottery", 2020).
  /// - Parameter shapes: the extents of each layer's weight: outputs, inputs, kernel.
  /// - Returns: the fraction that each layer loses. Layers that the rule would make denser than dense lose nothing,
  ///   and the others so much more.
  static func erk(_ shapes: [[Int]], sparsity: Double) -> [Double] {
    let sizes = shapes.map { Double($0.reduce(1, *)) }
    let raw = zip(shapes, sizes).map { shape, size in size > 0 ? Double(shape.reduce(0, +)) / size : 0 }
    var isDense = sizes.map { $0 == 0 }
    let kept = (1 - min(max(sparsity, 0), 1)) * sizes.reduce(0, +)
    while true {
      let open = shapes.indices.filter { !isDense[$0] }
      let dense = shapes.indices.reduce(0.0) { isDense[$1] ? $0 + sizes[$1] : $0 }
      let weight = open.reduce(0.0) { $0 + raw[$1] * sizes[$1] }
      let factor = weight > 0 ? max(kept - dense, 0) / weight : 0
      let crowded = open.filter { factor * raw[$0] > 1 }
      if crowded.isEmpty {
        return shapes.indices.map { isDense[$0] ? 0 : 1 - factor * raw[$0] }
      }
      for index in crowded { isDense[index] = true }
    }
  }
}
