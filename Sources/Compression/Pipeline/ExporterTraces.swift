import GraphIR

/// What exporters write into nodes for those who look for errors in an export: stack traces and names of Python
/// functions. They can be most of a small model's file.
enum ExporterTraces {
  /// Removes them from the graph and all inside it.
  /// - Returns: how many bytes of text that was.
  static func remove(from graph: inout Graph) -> Int {
    var count = 0
    for index in graph.nodes.indices {
      count += graph.nodes[index].documentation.utf8.count + remove(from: &graph.nodes[index].metadata)
      graph.nodes[index].documentation = ""
      graph.nodes[index].mapBodies { body in count += remove(from: &body) }
    }
    for index in graph.values.indices {
      if graph.values[index].annotations?.metadata.isEmpty ?? true { continue }
      count += remove(from: &graph.values[index].annotations!.metadata)
    }
    return count
  }

  private static func remove(from metadata: inout [MetadataEntry]) -> Int {
    let isTrace = { (entry: MetadataEntry) in
      entry.key.hasPrefix("pkg.torch.") || entry.key == "namespace"
    }
    let count = metadata.reduce(0) { $0 + (isTrace($1) ? $1.key.utf8.count + $1.value.utf8.count : 0) }
    metadata.removeAll(where: isTrace)
    return count
  }
}
