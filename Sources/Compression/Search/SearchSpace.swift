/// One way to treat one layer, and what it is estimated to do.
struct LayerOption: Sendable, Equatable {
  /// Such as `int8 static`; for people.
  var name: String
  /// Nil: the layer stays as it is.
  var step: Recipe.Step?
  /// How much worse the whole model gets, in the metric's unit.
  var loss: Double
  /// Of one call with one row.
  var microseconds: Double
  var bytes: Int
}

/// The ways to treat one layer, of which the first leaves it as it is.
struct LayerOptions: Sendable, Equatable {
  var layer: String
  var options: [LayerOption]
}

/// Everything that a search can choose from. A choice is an index into the options of every layer.
struct SearchSpace: Sendable {
  var layers: [LayerOptions]
  /// What every candidate does to the weights that no option is about.
  var closing: [Recipe.Step] = []

  var original: [Int] { [Int](repeating: 0, count: layers.count) }

  func option(_ layer: Int, _ choices: [Int]) -> LayerOption { layers[layer].options[choices[layer]] }

  func loss(_ choices: [Int]) -> Double { layers.indices.reduce(0) { $0 + option($1, choices).loss } }

  func microseconds(_ choices: [Int]) -> Double {
    layers.indices.reduce(0) { $0 + option($1, choices).microseconds }
  }

  func bytes(_ choices: [Int]) -> Int { layers.indices.reduce(0) { $0 + option($1, choices).bytes } }

  /// The steps of a choice: one for all layers that are treated alike, in the order of the first of them, and those that
  /// all candidates end with; none for the original.
  func steps(_ choices: [Int]) -> [Recipe.Step] {
    var chosen: [(step: Recipe.Step, layers: [String])] = []
    for index in layers.indices {
      guard let step = option(index, choices).step else { continue }
      if let place = chosen.firstIndex(where: { $0.step == step }) {
        chosen[place].layers.append(layers[index].layer)
      } else {
        chosen.append((step, [layers[index].layer]))
      }
    }
    return chosen.isEmpty ? [] : chosen.map { $0.step.selecting($0.layers) } + closing
  }

  var sensitivities: [LayerSensitivity] {
    layers.flatMap { layer in
      let original = layer.options[0]
      return layer.options.dropFirst().map { option in
        LayerSensitivity(
          layer: layer.layer, option: option.name, loss: option.loss,
          savedMicroseconds: original.microseconds - option.microseconds,
          savedBytes: original.bytes - option.bytes)
      }
    }
  }
}
