import GraphIR
import Tensors

/// Puts every constant of a model into the form that makes the file smallest, whatever made it so: zeros into a bitmask
/// with the elements that are kept, few distinct elements into a table, what float16 holds exactly into that.
///
/// All forms are standard ONNX and give the same elements back, bit by bit. The engine and other runtimes undo them when
/// the model is loaded.
enum StoragePass {
  private struct Place {
    var path: GraphPath
    var value: ValueID
    var form: StorageForm
  }

  /// Packs the constants of `model` and notes in `ledger` what was done.
  /// - Throws: `CompressionError.model`; `model` is then unchanged.
  static func apply(to model: inout Model, _ ledger: inout LayerLedger) throws(CompressionError) {
    let version = model.opsets[""] ?? 1
    let wanted = places(model, opset: .max).map(\.opset).max() ?? 0
    if wanted == 0 { return }
    // Where a node has no equal in a newer set, forms that it has already must do.
    var result = version < wanted ? (try? model.raised(to: wanted)) ?? model : model
    let chosen = places(result, opset: result.opsets[""] ?? 1).map(\.place)
    if chosen.isEmpty { return }
    note(chosen, result, &ledger)
    let paths = Set(chosen.map(\.path)).sorted { $0.steps.count > $1.steps.count }
    do {
      for path in paths {
        let values = chosen.filter { $0.path == path }.map { ($0.value, $0.form) }
        try pack(values, &result[graph: path])
      }
      _ = try Passes.removeDeadCode(&result)
    } catch {
      throw .model("\(error)")
    }
    model = result
  }

  /// Constants that another form than the plain one holds in fewer bytes.
  private static func places(_ model: Model, opset: Int) -> [(place: Place, opset: Int)] {
    var result: [(place: Place, opset: Int)] = []
    for (path, graph) in model.graphs {
      let fixed = Set(graph.inputs + graph.outputs)
      for index in graph.values.indices {
        let id = ValueID(index)
        guard let tensor = graph.values[index].constant, !fixed.contains(id),
          tensor.byteCount > StorageSurvey.leastSaving.bytes, let survey = StorageSurvey(tensor)
        else { continue }
        let form = survey.smallest(opset: opset).form
        if form == .plain { continue }
        result.append((Place(path: path, value: id, form: form), survey.opset(form)))
      }
    }
    return result
  }

  private static func note(_ places: [Place], _ model: Model, _ ledger: inout LayerLedger) {
    for form in StorageForm.allCases {
      let count = places.count { $0.form == form }
      if count > 0 { ledger.notes.append("\(count) constants are stored as \(form.title)") }
    }
    for layer in LayerScan(model).all {
      guard let place = places.first(where: { $0.path == layer.path && $0.value == layer.weight }),
        let bytes = StorageSurvey(layer.weights)?.byteCount(place.form)
      else { continue }
      ledger.store(layer, model[graph: layer.path], bytes: bytes)
    }
  }

  private static func pack(_ values: [(ValueID, StorageForm)], _ graph: inout Graph) throws {
    var patch = GraphPatch("pack constants", for: graph)
    var bits = BitmaskPattern()
    for (id, form) in values {
      guard let tensor = graph[id].constant else { continue }
      let name = graph[id].name
      switch form {
      case .plain: break
      case .table:
        guard let code = try TableCode(tensor) else { continue }
        let places = patch.addValue(Value(name: "\(name).places"))
        let output = patch.addValue(Value(name: "\(name).plain"))
        patch.insert(
          Node(
            name: "\(name)/places", op: "Cast", inputs: [patch.addConstant("\(name).codes", code.indices)],
            outputs: [places], attributes: ["to": .int(6)]), before: 0)
        patch.insert(
          Node(
            name: "\(name)/table", op: "Gather",
            inputs: [patch.addConstant("\(name).table", code.values), places], outputs: [output]), before: 0)
        patch.replaceUses(of: id, with: output)
      case .half:
        let code = try FloatStorage.fp16.code(tensor, channelAxis: nil)
        let output = patch.addValue(Value(name: "\(name).plain"))
        patch.insert(
          Node(
            name: "\(name)/plain", op: "Cast", inputs: [patch.addConstant("\(name).half", code.codes)],
            outputs: [output], attributes: ["to": .int(1)]), before: 0)
        patch.replaceUses(of: id, with: output)
      case .bitmask:
        guard let code = try BitmaskCode(tensor) else { continue }
        patch.replaceUses(of: id, with: try bits.insert(code, name, &patch))
      }
    }
    try patch.apply(to: &graph)
  }
}

extension StorageForm {
  /// How reports call it.
  var title: String {
    switch self {
    case .plain: "they are"
    case .bitmask: "a bitmask and the elements that are kept"
    case .table: "a table and an index for every element"
    case .half: "float16, which holds them exactly"
    }
  }
}
