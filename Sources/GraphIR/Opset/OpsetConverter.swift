/// Rewrites models from older operator sets of ai.onnx to newer ones.
///
/// One adapter per operator and version at which the operator's form or meaning changed
/// (https://github.com/onnx/onnx/blob/main/docs/Changelog.md); a node passes through all that lie between its
/// model's opset and the wanted one.
public enum OpsetConverter {
  /// The newest opset that can be converted to.
  public static let newest = 27

  /// Operators that newer opsets do without, and what their nodes become.
  public static let replacements: [OperatorName: OperatorName] = [
    "Scatter": "ScatterElements", "Upsample": "Resize",
  ]

  /// The IR version that first allowed each opset, from opset 7 on; those before came with IR version 3.
  private static let irVersions = [3, 3, 4, 5, 6, 7, 7, 7, 8, 8, 8, 8, 9, 9, 10, 10, 11, 12, 13, 13, 13]

  static func irVersion(forOpset version: Int) -> Int { irVersions[max(version - 7, 0)] }
}

extension Model {
  /// The model with every node, those of sub-graphs and functions included, in the form that opset `version`
  /// gives it. A model, or function, of that opset or a newer one stays as it is.
  /// - Throws: `GraphError.unconvertible` when a node has no equal in that opset.
  public func raised(to version: Int = OpsetConverter.newest) throws(GraphError) -> Model {
    precondition(Model.opsetVersions.contains(version), "opset \(version) is none that can be converted to")
    var model = self
    if let current = opsets[""], current < version {
      var raiser = GraphRaiser(from: current, to: version, names: graph.allValueNames)
      try raiser.raise(&model.graph)
      model.opsets[""] = version
      model.irVersion = max(irVersion, OpsetConverter.irVersion(forOpset: version))
    }
    for index in model.functions.indices {
      let function = model.functions[index]
      guard let current = function.opsets[""], current < version else { continue }
      var raiser = GraphRaiser(from: current, to: version, names: function.body.allValueNames)
      try raiser.raise(&model.functions[index].body)
      model.functions[index].opsets[""] = version
    }
    return model
  }
}

extension Graph {
  /// The names of all values, those of sub-graphs included.
  var allValueNames: Set<String> {
    var names = Set(values.map(\.name))
    for node in nodes {
      for (_, attribute) in node.attributes.entries {
        switch attribute {
        case .graph(let graph): names.formUnion(graph.allValueNames)
        case .graphs(let graphs): for graph in graphs { names.formUnion(graph.allValueNames) }
        default: break
        }
      }
    }
    return names
  }
}
