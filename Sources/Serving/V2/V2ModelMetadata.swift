import Engine
import GraphIR

/// The V2 protocol's description of a model version.
enum V2ModelMetadata {
  static let platform = "adze_onnx"

  /// - Parameter versions: the ready versions, or the one that was asked for.
  static func json(_ model: V2Signature, versions: [Int]) -> JSONValue {
    [
      "name": .string(model.name), "versions": .array(versions.map { .string(String($0)) }),
      "platform": .string(platform), "inputs": ports(model.inputs), "outputs": ports(model.outputs),
      "parameters": parameters(model),
    ]
  }

  /// How many rows are run together, 0 for a model whose requests are run one by one, and why.
  private static func parameters(_ model: V2Signature) -> JSONValue {
    let size = JSONValue.int(model.maximumBatchSize)
    guard let reason = model.reasonAgainstBatching else { return ["max_batch_size": size] }
    return ["max_batch_size": size, "unbatched_because": .string(reason)]
  }

  /// Name, datatype and shape of each port; -1 stands for what a request decides. Outputs whose columns are classes
  /// name them in `parameters`.
  static func ports(_ ports: [TensorPort]) -> JSONValue {
    .array(
      ports.map { port in
        var members = [
          JSONValue.Member(name: "name", value: .string(port.name)),
          JSONValue.Member(name: "datatype", value: .string(port.element.v2Name)),
          JSONValue.Member(name: "shape", value: shape(port.dimensions)),
        ]
        if let labels = port.labels {
          members.append(JSONValue.Member(name: "parameters", value: ["labels": .array(names(labels))]))
        }
        return .object(members)
      })
  }

  private static func names(_ labels: PortLabels) -> [JSONValue] {
    switch labels {
    case .integers(let integers): integers.map(JSONValue.int)
    case .strings(let strings): strings.map(JSONValue.string)
    }
  }

  /// A shape of unknown rank goes as one unknown extent: the protocol has no other form for it.
  static func shape(_ dimensions: [Dimension]?) -> JSONValue {
    .array((dimensions ?? [.unknown]).map { .int($0.extent ?? -1) })
  }
}
