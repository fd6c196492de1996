import Tensors

/// Gelu and its kin, with the bias before it.
enum ContribActivations {
  static let forms: [ContribForm] = [
    ContribForm("com.microsoft.Gelu", inputs: 1...1) { try $0.give(0, "Gelu", [$0.input(0)]) },
    ContribForm("com.microsoft.BiasGelu", inputs: 2...2) { e in
      try e.give(0, "Gelu", [try e.add("Add", [e.input(0), e.input(1)])])
    },
    ContribForm("com.microsoft.FastGelu", inputs: 1...2) { e in
      let x = e.has(1) ? try e.add("Add", [e.input(0), e.input(1)]) : e.input(0)
      try e.give(0, "Gelu", [x], ["approximate": .string("tanh")])
    },
    ContribForm("com.microsoft.QuickGelu", inputs: 1...1, attributes: ["alpha"]) { e in
      try e.give(
        0, "Swish", [e.input(0)], ["alpha": .float(try e.node.float("alpha", default: 1.702))])
    },
    ContribForm("com.microsoft.BiasAdd", inputs: 3...3) { e in
      try e.give(0, "Add", [try e.add("Add", [e.input(0), e.input(1)]), e.input(2)])
    },
    ContribForm("com.microsoft.BiasSplitGelu", inputs: 2...2) { e in
      let sum = try e.add("Add", [e.input(0), e.input(1)])
      let halves = try e.add("Split", [sum], outputs: 2, ["axis": .int(-1), "num_outputs": .int(2)])
      try e.give(0, "Mul", [halves[0], try e.add("Gelu", [halves[1]])])
    },
    ContribForm("com.microsoft.BiasSoftmax", inputs: 2...2, attributes: ["axis", "is_inner_broadcast"]) { e in
      let sum = try e.add("Add", [e.input(0), e.input(1)])
      try e.give(0, value: try e.softmaxOfRows(sum, from: try e.node.int("axis", default: 1)))
    },
    ContribForm(
      "com.microsoft.BiasDropout", inputs: 2...5, outputs: 1...2, attributes: ["seed"],
      isComputedInFloat32: false, expand: biasDropout),
  ]

  @Sendable private static func biasDropout(_ e: inout NodeExpansion) throws {
    let sum = try e.add("Add", [e.input(0), e.input(1)])
    let inputs = [sum, e.input(3), e.input(4)]
    var attributes: Attributes = [:]
    attributes["seed"] = e.node.attributes["seed"]
    if !e.has(2) { return try e.give(outputs: [0, 1], "Dropout", inputs, attributes) }
    let kept = try e.add("Dropout", inputs, outputs: 2, attributes)
    try e.give(1, value: kept[1])
    try e.give(0, "Add", [kept[0], e.input(2)])
  }
}
