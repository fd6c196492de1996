import ArgumentParser

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs ONNX test-case folders and says which outputs differ.",
    discussion: """
      A test case is a folder with model.onnx and test_data_set_*/input_*.pb and output_*.pb, or a file NAME.onnx
      beside NAME_output_0.pb, whose inputs count from 0 towards 1. Folders that hold cases are searched. Integers
      may not differ at all.

      adze verify onnx/backend/test/data/node
      """)

  @Argument(help: "Test cases, or folders that hold them.") var paths: [String]
  @Option(help: "How far floats may differ, as a share of the expected ones.") var relativeTolerance = 1e-3
  @Option(help: "How far floats may differ beyond that.") var absoluteTolerance = 1e-5

  func run() throws {
    var passed = 0
    var failed = 0
    let runner = ConformanceRunner(
      comparison: TensorComparison(
        relativeTolerance: relativeTolerance, absoluteTolerance: absoluteTolerance))
    var bar = ProgressBar()
    let cases = paths.flatMap(ConformanceCase.cases(under:))
    for (index, test) in cases.enumerated() {
      bar.show(Double(index) / Double(cases.count), test.name)
      for result in runner.run(test) {
        if let reason = result.failure {
          bar.finish()
          Console.result("\(result.name): \(reason)")
          failed += 1
        } else {
          passed += 1
        }
      }
    }
    bar.finish()
    Console.result("\(passed) passed, \(failed) failed")
    if cases.isEmpty { throw CommandFailure("no test case under \(paths.joined(separator: ", "))") }
    if failed > 0 { throw ExitCode(1) }
  }
}
