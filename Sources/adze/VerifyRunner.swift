import Engine
import GraphIR
import Tensors

/// What became of one set of test data.
struct CaseResult {
  /// The case and the data set in it: `test_relu/test_data_set_0`.
  let name: String
  /// nil: passed.
  let failure: String?
}

/// Runs test cases in the form of ONNX's own backend tests.
struct ConformanceRunner {
  var comparison = TensorComparison()

  /// Runs every data set of a case.
  func run(_ test: ConformanceCase) -> [CaseResult] {
    let dataSets = test.dataSets
    if dataSets.isEmpty { return [CaseResult(name: test.name, failure: "no test_data_set_* folder")] }
    do {
      let program = try Program.compile(try Model.load(path: test.modelPath))
      let session = Session(program, team: ThreadTeam(threads: 1))
      return dataSets.map { CaseResult(name: $0.name, failure: failure(of: $0, session)) }
    } catch {
      return dataSets.map { CaseResult(name: $0.name, failure: String(describing: error)) }
    }
  }

  private func failure(of dataSet: DataSet, _ session: Session) -> String? {
    do {
      let inputs = try dataSet.inputs(session.program.inputs)
      let expected = try dataSet.outputs(session.program.outputs)
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
}
