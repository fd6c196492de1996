import Engine
import GraphIR
import ONNXFormat
import Tensors

/// What became of one set of test data.
struct CaseResult {
  /// The case's folder and the data set in it: `test_relu/test_data_set_0`.
  let name: String
  /// nil: passed.
  let failure: String?
}

/// Runs test cases in the form of ONNX's own backend tests.
struct ConformanceRunner {
  var comparison = TensorComparison()

  private static let modelName = "model.onnx"
  private static let dataSetPrefix = "test_data_set_"

  /// The test-case folders under `path`, which may be one itself, in alphabetical order.
  static func caseDirectories(under path: String) -> [String] {
    let entries = DirectoryListing.names(path)
    if entries.contains(modelName) { return [path] }
    return entries.sorted().map { path + "/" + $0 }.filter(DirectoryListing.isDirectory).flatMap(
      caseDirectories(under:))
  }

  /// Runs every data set of the case in `directory`.
  func run(directory: String) -> [CaseResult] {
    let name = String(directory.split(separator: "/").last ?? "")
    let dataSets = DirectoryListing.names(directory).filter { $0.hasPrefix(Self.dataSetPrefix) }.sorted()
    if dataSets.isEmpty { return [CaseResult(name: name, failure: "no \(Self.dataSetPrefix)* folder")] }
    do {
      let program = try Program.compile(try Model.load(path: directory + "/" + Self.modelName))
      let session = Session(program, team: ThreadTeam(threads: 1))
      return dataSets.map { dataSet in
        CaseResult(
          name: name + "/" + dataSet, failure: failure(of: directory + "/" + dataSet, session))
      }
    } catch {
      return dataSets.map { CaseResult(name: name + "/" + $0, failure: String(describing: error)) }
    }
  }

  private func failure(of dataSet: String, _ session: Session) -> String? {
    do {
      let inputs = try values(dataSet, "input_", session.program.inputs)
      let expected = try values(dataSet, "output_", session.program.outputs)
      let outputs = try session.run(values: inputs)
      if outputs.count != expected.count { return "\(outputs.count) outputs, expected \(expected.count)" }
      for (index, pair) in zip(outputs, expected).enumerated() {
        if let difference = comparison.difference(pair.0, expected: pair.1) {
          return "output \(index): \(difference)"
        }
      }
      return nil
    } catch {
      return String(describing: error)
    }
  }

  /// `input_0.pb`, `input_1.pb` … in order.
  private func values(_ directory: String, _ prefix: String, _ ports: [Port]) throws -> [RuntimeValue] {
    let count = DirectoryListing.names(directory).count { $0.hasPrefix(prefix) && $0.hasSuffix(".pb") }
    return try (0..<count).map { index in
      let port = index < ports.count ? ports[index] : nil
      let kind: ValueFile.Kind =
        port.map { $0.isOptional ? .optional : $0.isTensor ? .tensor : .sequence } ?? .tensor
      return try ValueFile.read(path: "\(directory)/\(prefix)\(index).pb", kind: kind)
    }
  }
}
