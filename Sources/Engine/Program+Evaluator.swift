import GraphIR

extension Program {
  /// Computes single nodes on constant inputs with the engine's own operators, for passes over graphs; nil for a
  /// node that the engine does not know or that needs a run.
  public static func evaluator(options: CompileOptions = .init()) -> NodeEvaluator {
    let folder = ConstantFolder(options: options)
    return { node, inputs in try folder.evaluate(node, inputs) }
  }
}
