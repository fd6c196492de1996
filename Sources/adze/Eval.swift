import ArgumentParser
import Compression
import Engine
import Tensors

struct Eval: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures a model's quality on a dataset.",
    discussion: """
      The .npz file holds arrays named like the model's inputs, and `labels`.

      adze eval model.onnx --dataset digits-test.npz --metric accuracy
      """)

  @Argument(help: "The ONNX file.") var model: String
  @Option(help: "An .npz file.") var dataset: String
  @Option(help: "accuracy, top5, rmse, mae …") var metric = "accuracy"
  @Option(help: "Compute threads (default: what this machine and its cgroup allow).") var threads: Int?
  @Flag(help: "Print one JSON object.") var json = false

  func run() throws {
    let (_, program) = try loadProgram(model)
    do {
      guard let metric = Metric(rawValue: metric) else {
        throw CommandFailure(
          "--metric: '\(metric)' is not one of \(Metric.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      let data = try Dataset(path: dataset)
      let result = try Evaluator.evaluate(
        program, data, metric: metric, threads: threads ?? CPU.threadsAvailable)
      Console.result(json ? try encodeJSON(result) : result.description)
    } catch {
      throw CommandFailure("\(error)")
    }
  }
}
