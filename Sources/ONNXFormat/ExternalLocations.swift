internal import Tensors

/// The files beside a model that its tensors name as the place of their elements.
public enum ExternalLocations {
  /// Every `location` of the model file at `path`, sorted, each once. Nothing is opened but the model itself.
  /// - Throws: `ONNXFormatError`.
  public static func list(path: String, limits: LoadLimits = .init()) throws(ONNXFormatError) -> [String] {
    let file = try ModelFile.map(path: path)
    defer { withExtendedLifetime(file) {} }
    let model = try ModelFile.decodeLifting(file.bytes, limits: limits).model
    var found = Set<String>()
    collect(model.graph, into: &found)
    for function in model.functions { collect(function.node, into: &found) }
    return found.sorted()
  }

  // Recursion is bounded by the nesting that `LoadLimits.depth` allows.
  private static func collect(_ graph: Onnx_GraphProto, into found: inout Set<String>) {
    for tensor in graph.initializer { collect(tensor, into: &found) }
    for sparse in graph.sparseInitializer { collect(sparse, into: &found) }
    collect(graph.node, into: &found)
  }

  private static func collect(_ nodes: [Onnx_NodeProto], into found: inout Set<String>) {
    for node in nodes {
      for attribute in node.attribute {
        if attribute.hasT { collect(attribute.t, into: &found) }
        if attribute.hasG { collect(attribute.g, into: &found) }
        if attribute.hasSparseTensor { collect(attribute.sparseTensor, into: &found) }
        for tensor in attribute.tensors { collect(tensor, into: &found) }
        for graph in attribute.graphs { collect(graph, into: &found) }
        for sparse in attribute.sparseTensors { collect(sparse, into: &found) }
      }
    }
  }

  private static func collect(_ sparse: Onnx_SparseTensorProto, into found: inout Set<String>) {
    collect(sparse.values, into: &found)
    collect(sparse.indices, into: &found)
  }

  private static func collect(_ tensor: Onnx_TensorProto, into found: inout Set<String>) {
    for entry in tensor.externalData where entry.key == "location" { found.insert(entry.value) }
  }
}
