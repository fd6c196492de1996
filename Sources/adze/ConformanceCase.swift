import Engine
import GraphIR
import ONNXFormat
import Tensors

/// One test case in a form that ONNX's own backend tests have.
enum ConformanceCase {
  /// A folder with `model.onnx` and `test_data_set_*` folders that hold inputs and outputs.
  case folder(String)
  /// `NAME.onnx` beside `NAME_output_0.pb` …: the outputs for inputs whose elements count from 0 towards 1.
  case countingInputs(model: String)

  private static let modelName = "model.onnx"
  private static let dataSetPrefix = "test_data_set_"

  /// The cases under `path`, which may be one itself, in alphabetical order.
  static func cases(under path: String) -> [ConformanceCase] {
    if path.hasSuffix(".onnx") { return hasOutputs(path) ? [.countingInputs(model: path)] : [] }
    let entries = DirectoryListing.names(path)
    if entries.contains(modelName) { return [.folder(path)] }
    return entries.sorted().flatMap { entry -> [ConformanceCase] in
      let inner = path + "/" + entry
      return entry.hasSuffix(".onnx") || DirectoryListing.isDirectory(inner) ? cases(under: inner) : []
    }
  }

  private static func hasOutputs(_ model: String) -> Bool {
    guard let file = try? FileBytes.map(path: outputPrefix(model) + "0.pb") else { return false }
    return file.count > 0
  }

  private static func outputPrefix(_ model: String) -> String { model.dropLast(5) + "_output_" }

  var modelPath: String {
    switch self {
    case .folder(let path): path + "/" + Self.modelName
    case .countingInputs(let model): model
    }
  }

  /// `test_relu`, `light_resnet50`.
  var name: String {
    switch self {
    case .folder(let path): String(path.split(separator: "/").last ?? "")
    case .countingInputs(let model): String(model.split(separator: "/").last?.dropLast(5) ?? "")
    }
  }

  /// The sets of inputs and outputs, each with its name; none when a folder holds no such set.
  var dataSets: [DataSet] {
    switch self {
    case .folder(let path):
      DirectoryListing.names(path).filter { $0.hasPrefix(Self.dataSetPrefix) }.sorted().map {
        DataSet(
          name: name + "/" + $0, inputPrefix: path + "/" + $0 + "/input_",
          outputPrefix: path + "/" + $0 + "/output_")
      }
    case .countingInputs(let model):
      [DataSet(name: name, inputPrefix: nil, outputPrefix: Self.outputPrefix(model))]
    }
  }
}

/// Inputs and the outputs that belong to them: files named by their prefix, a number and `.pb`.
struct DataSet {
  let name: String
  /// nil: the inputs count from 0 towards 1.
  let inputPrefix: String?
  let outputPrefix: String

  func inputs(_ ports: [Port]) throws -> [RuntimeValue] {
    guard let inputPrefix else { return try ports.map { .tensor(try Self.counting($0)) } }
    return try Self.values(inputPrefix, ports)
  }

  func outputs(_ ports: [Port]) throws -> [RuntimeValue] { try Self.values(outputPrefix, ports) }

  private static func values(_ prefix: String, _ ports: [Port]) throws -> [RuntimeValue] {
    let names = Set(DirectoryListing.names(FileBytes.directory(of: prefix)))
    let start = prefix.split(separator: "/").last ?? ""
    let count = (0...).first { !names.contains("\(start)\($0).pb") } ?? 0
    return try (0..<count).map { index in
      let port = index < ports.count ? ports[index] : nil
      let kind: ValueFile.Kind =
        port.map { $0.isOptional ? .optional : $0.isTensor ? .tensor : .sequence } ?? .tensor
      return try ValueFile.read(path: "\(prefix)\(index).pb", kind: kind)
    }
  }

  /// Element i of n is i / n, as `onnx.backend.test.runner` makes them; free extents are 1.
  private static func counting(_ port: Port) throws -> Tensor {
    guard port.element == .float32, let dimensions = port.dimensions else {
      throw CommandFailure("input '\(port.name)': only float32 inputs of known rank can be made up")
    }
    let shape = Shape(dimensions.map { $0.extent ?? 1 })
    var tensor = try Tensor(type: .float32, shape: shape)
    tensor.withMutableElements(Float.self) { elements in
      for index in elements.indices { elements[index] = Float(Double(index) / Double(elements.count)) }
    }
    return tensor
  }
}
