/// What every kind of step has: a name in recipes, the layers it selects, and a JSON form.
protocol RecipeStep: Sendable {
  /// The member of a step's object.
  static var name: String { get }
  var selection: LayerSelection { get set }
  /// What the step adds to the label of a result: `pruned50`.
  var label: String { get }
  /// The form that `init` reads, every member decided.
  var json: JSONValue { get }

  /// - Parameter path: of the step, for errors: `steps[0].prune`.
  /// - Throws: `CompressionError.recipe`; `.unsupported` for what this version does not do yet.
  init(_ json: JSONValue, path: String) throws(CompressionError)
}

extension Recipe.Step {
  private static let kinds = [
    PruneStep.name, QuantizeStep.name, ShareWeightsStep.name, LowRankStep.name, MergeStep.name,
    EqualizeStep.name,
  ]
  private static let later = ["finetune"]

  init(_ json: JSONValue, path: String) throws(CompressionError) {
    let members = try RecipeMembers(json, path: path, allowed: Self.kinds + Self.later)
    try members.refuse(
      Self.later, because: "a step of a later version; this one has \(Self.kinds.joined(separator: ", "))")
    let present = Self.kinds.filter(members.has)
    guard present.count == 1, let value = members.value(present[0]) else {
      throw .recipe("\(path): must have exactly one member of \(Self.kinds.joined(separator: ", "))")
    }
    let place = "\(path).\(present[0])"
    switch present[0] {
    case PruneStep.name: self = .prune(try PruneStep(value, path: place))
    case QuantizeStep.name: self = .quantize(try QuantizeStep(value, path: place))
    case ShareWeightsStep.name: self = .shareWeights(try ShareWeightsStep(value, path: place))
    case LowRankStep.name: self = .lowRank(try LowRankStep(value, path: place))
    case MergeStep.name: self = .merge(try MergeStep(value, path: place))
    default: self = .equalize(try EqualizeStep(value, path: place))
    }
  }

  var payload: any RecipeStep {
    switch self {
    case .prune(let step): step
    case .quantize(let step): step
    case .shareWeights(let step): step
    case .lowRank(let step): step
    case .merge(let step): step
    case .equalize(let step): step
    }
  }

  var json: JSONValue { .object([type(of: payload).name: payload.json]) }

  /// False for what a recipe cannot ask for in this version.
  var isSupported: Bool { (try? Recipe.Step(json, path: "step")) != nil }

  /// The same for these layers and no others.
  func selecting(_ layers: [String]) -> Recipe.Step {
    var selection = LayerSelection()
    selection.layers = layers
    return with(selection)
  }

  func with(_ selection: LayerSelection) -> Recipe.Step {
    switch self {
    case .prune(var step):
      step.selection = selection
      return .prune(step)
    case .quantize(var step):
      step.selection = selection
      return .quantize(step)
    case .shareWeights(var step):
      step.selection = selection
      return .shareWeights(step)
    case .lowRank(var step):
      step.selection = selection
      return .lowRank(step)
    case .merge(var step):
      step.selection = selection
      return .merge(step)
    case .equalize(var step):
      step.selection = selection
      return .equalize(step)
    }
  }
}

extension JSONValue {
  /// An object of the members that are there.
  static func members(_ members: [String: JSONValue?], _ selection: LayerSelection = LayerSelection())
    -> JSONValue
  {
    var object = members.compactMapValues { $0 }
    if let layers = selection.layers { object["layers"] = .array(layers.map(JSONValue.string)) }
    if !selection.exclude.isEmpty { object["exclude"] = .array(selection.exclude.map(JSONValue.string)) }
    return .object(object)
  }
}
