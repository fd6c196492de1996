import ArgumentParser

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs ONNX test-case folders and says which outputs differ.",
    discussion: """
      A test case is a folder with model.onnx and test_data_set_*/input_*.pb and output_*.pb. Folders that hold
      such folders are searched. Integers may not differ at all.

      adze verify onnx/backend/test/data/node
      """)

  @Argument(help: "Test-case folders, or folders that hold them.") var paths: [String]
  @Option(help: "How far floats may differ, as a share of the expected ones.") var relativeTolerance = 1e-3
  @Option(help: "How far floats may differ beyond that.") var absoluteTolerance = 1e-5

  func run() throws {
    var passed = 0
    var failed = 0
    let runner = ConformanceRunner(
      comparison: TensorComparison(
        relativeTolerance: relativeTolerance, absoluteTolerance: absoluteTolerance))
    var bar = ProgressBar()
    let directories = paths.flatMap(ConformanceRunner.caseDirectories(under:))
    for (index, directory) in directories.enumerated() {
      bar.show(Double(index) / Double(directories.count), directory)
      for result in runner.run(directory: directory) {
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
    if directories.isEmpty { throw CommandFailure("no test case under \(paths.joined(separator: ", "))") }
    if failed > 0 { throw ExitCode(1) }
  }
}
