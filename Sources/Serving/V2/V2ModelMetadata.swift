import GraphIR

/// The V2 protocol's description of a model version.
enum V2ModelMetadata {
  static let platform = "adze_onnx"

  /// - Parameter versions: the ready versions, or the one that was asked for.
  static func json(name: String, versions: [Int], inputs: [TensorPort], outputs: [TensorPort]) -> JSONValue {
    [
      "name": .string(name), "versions": .array(versions.map { .string(String($0)) }),
      "platform": .string(platform), "inputs": ports(inputs), "outputs": ports(outputs),
    ]
  }

  /// Name, datatype and shape of each port; -1 stands for what a request decides.
  static func ports(_ ports: [TensorPort]) -> JSONValue {
    .array(
      ports.map { port in
        [
          "name": .string(port.name), "datatype": .string(port.element.v2Name),
          "shape": shape(port.dimensions),
        ]
      })
  }

  /// A shape of unknown rank goes as one unknown extent: the protocol has no other form for it.
  static func shape(_ dimensions: [Dimension]?) -> JSONValue {
    .array((dimensions ?? [.unknown]).map { .int($0.extent ?? -1) })
  }
}
