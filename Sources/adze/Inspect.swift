import ArgumentParser
import Compression

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows what is in a model and what compression could do with each layer.",
    discussion: """
      adze inspect model.onnx
      adze inspect model.onnx --json | jq .layers
      """)

  @Argument(help: "The ONNX file.") var model: String
  @Flag(help: "Print one JSON object.") var json = false

  func run() throws {
    let loaded = try loadModel(model)
    do {
      let inspection = try Inspection(loaded)
      Console.result(json ? try encodeJSON(inspection) : Self.text(inspection))
    } catch {
      throw CommandFailure("\(model): \(error)")
    }
  }

  private static func text(_ model: Inspection) -> String {
    let opsets = model.opsets.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    var lines = ["IR \(model.irVersion), opset \(opsets.joined(separator: ", ")), \(model.producer)"]
    lines += model.inputs.map { "input   \(port($0))" }
    lines += model.outputs.map { "output  \(port($0))" }
    lines.append(
      "\(model.nodes) nodes, \(model.parameters) parameters (\(model.nonzeros) not zero), "
        + "\(model.macs) multiply-accumulates a sample")
    lines.append("layers")
    lines += model.layers.map { layer in
      let shape = layer.shape.map(String.init).joined(separator: "x")
      let what = layer.reason ?? layer.methods.joined(separator: ", ")
      return "  \(layer.name)  \(layer.op) \(shape)  \(layer.parameters) parameters  \(what)"
    }
    lines.append(
      "quantizing these layers to int8 takes their weights from \(model.compressibleBytes) "
        + "to \(model.compressibleBytesInt8) bytes")
    return lines.joined(separator: "\n")
  }

  private static func port(_ port: Inspection.Port) -> String {
    let extents = zip(port.shape, port.symbols).map { extent, symbol in symbol ?? String(extent) }
    return "\(port.name)  \(port.datatype) [\(extents.joined(separator: ","))]"
  }
}
