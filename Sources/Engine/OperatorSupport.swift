import GraphIR
import Tensors

/// What the engine does with one operator, as `compile` would say it of a node.
public struct OperatorSupport: Sendable {
  public let op: OperatorName
  /// The versions of its domain's operator set that introduced or changed it, ascending. Empty for operators that
  /// ONNX does not define.
  public let versions: [Int]
  /// False when no kernel computes it.
  public let isSupported: Bool
  /// The element types that are computed, of input `typedInput`, or of the output when there is no input. Sequences
  /// and optionals of them count as well. Other inputs may be held to fewer types.
  public let types: [ElementType]
  public let typedInput: Int
  /// The operator that it is rewritten to while the model is raised to the newest opset.
  public let replacement: OperatorName?
  /// True when it is written with operators of ai.onnx while a model is compiled.
  public let isRewritten: Bool

  /// Every operator that ONNX defines or the engine computes, by domain and name.
  public static let all: [OperatorSupport] = {
    let names = Set(OperatorVersions.all).union(EngineTable.all.filter { $0.domain != FusedOperator.domain })
      .union(ContribOperators.all)
    return names.map(OperatorSupport.init).sorted {
      ($0.op.domain, $0.op.type) < ($1.op.domain, $1.op.type)
    }
  }()

  /// Operators that passes replace by others while a model is compiled, of the float types that those take.
  private static let expanded: Set<OperatorName> = [
    "ai.onnx.preview.FlexAttention", "ai.onnx.preview.training.Gradient",
  ]

  public init(_ op: OperatorName) {
    self.op = op
    versions = OperatorVersions.versions(of: op) ?? []
    replacement = OpsetConverter.replacements[op]
    isRewritten = ContribOperators.isKnown(op)
    guard let entry = EngineTable.entry(for: op), let rule = EngineTable.rule(for: op) else {
      isSupported = Self.expanded.contains(op)
      typedInput = 0
      types = isSupported ? .halves + .floats : []
      return
    }
    isSupported = true
    typedInput = entry.typedInput
    types = TypeProbe(rule: rule, entry: entry).types
  }
}

/// Finds out which element types a node may have by decoding one node for each.
private struct TypeProbe {
  let rule: OperatorRule
  let entry: OperatorEntry

  private var hasInputs: Bool { rule.inputs.upperBound > 0 }

  var types: [ElementType] {
    // Without its attributes, or with a tensor in place of a sequence, a node may break its rule whatever its type.
    let ruled = ElementType.allCases.filter { (try? outputTypes($0)) != nil }
    return (ruled.isEmpty ? ElementType.allCases : ruled).filter(isDecoded)
  }

  private func node() -> Node {
    let count = max(rule.inputs.lowerBound, hasInputs ? entry.typedInput + 1 : 0)
    let outputs = max(1, rule.outputs.lowerBound)
    return Node(
      name: "probe", op: rule.op, inputs: (0..<count).map { ValueID($0) },
      outputs: (0..<outputs).map { ValueID(count + $0) })
  }

  private func inputTypes(_ type: ElementType, _ node: Node) -> [ValueType?] {
    node.inputs.indices.map { $0 == entry.typedInput ? .tensor(TensorType(type, nil)) : nil }
  }

  private func outputTypes(_ type: ElementType) throws(GraphError) -> [ValueType?] {
    let node = node()
    var context = InferenceContext(
      node: node, inputTypes: inputTypes(type, node), constants: node.inputs.map { _ in nil })
    try rule.infer(&context)
    return context.outputTypes
  }

  /// False when decoding refuses the type; what else is wrong with the node does not count.
  private func isDecoded(_ type: ElementType) -> Bool {
    let node = node()
    let outputs: [ValueType?] =
      hasInputs
      ? (try? outputTypes(type)) ?? node.outputs.map { _ in nil } : [.tensor(TensorType(type, nil))]
    let source = OperatorSource(node: node, inputs: inputTypes(type, node), outputs: outputs)
    do {
      _ = try NodeRunner(source, source.options)
      return true
    } catch OperatorFailure.type {
      return false
    } catch EngineError.unsupportedType {
      return false
    } catch {
      return true
    }
  }
}
