import GraphIR
import Tensors

/// Stores weights in few bits and computes in float, in all graphs of a model.
struct WeightOnlyQuantization {
  private let model: Model
  private var editors: [GraphPath: GraphEditor] = [:]
  private var writers: [GraphPath: LayerWriter] = [:]
  private var coded: [SharedWeight: CodedWeight] = [:]
  /// How the nodes that read a weight see it.
  private var readers: [WeightPlace: Set<WeightAxes>] = [:]

  private struct WeightPlace: Hashable {
    var path: GraphPath
    var weight: ValueID
  }

  private struct SharedWeight: Hashable {
    var place: WeightPlace
    var axes: WeightAxes
    /// Where the step stands in the recipe.
    var step: String
  }

  /// - Parameter layers: all that will be rewritten.
  init(_ model: Model, _ layers: [WeightLayer]) {
    self.model = model
    for layer in layers {
      readers[WeightPlace(path: layer.path, weight: layer.weight), default: []].insert(layer.weightAxes)
    }
  }

  /// Rewrites a layer and returns what its weight has become.
  mutating func apply(_ assignment: QuantizeAssignment) throws(CompressionError) -> CodedWeight {
    let layer = assignment.layer
    let place = WeightPlace(path: layer.path, weight: layer.weight)
    let shared = SharedWeight(place: place, axes: layer.weightAxes, step: assignment.path)
    let weight: CodedWeight
    if let known = coded[shared] ?? assignment.coded {
      weight = known
    } else {
      weight = try WeightCoder(assignment.step).code(layer)
    }
    coded[shared] = weight
    var editor =
      editors.removeValue(forKey: layer.path) ?? GraphEditor(model[graph: layer.path], "weight quantization")
    var writer = writers[layer.path] ?? LayerWriter()
    let keepsLayout = (readers[place]?.count ?? 1) > 1
    try tensors { () throws(TensorError) in
      try writer.rewrite(layer, weight, keepsLayout: keepsLayout, &editor)
    }
    editors[layer.path] = editor
    writers[layer.path] = writer
    return weight
  }

  /// Makes the change; inner graphs first, as paths to them hold node indexes of those around them.
  consuming func apply(to model: inout Model) throws(CompressionError) {
    for (path, editor) in editors.sorted(by: { $0.key.steps.count > $1.key.steps.count }) {
      try editor.patch(&model, at: path)
    }
    do { _ = try Passes.removeDeadCode(&model) } catch { throw .model("\(error)") }
  }
}
