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
  @Option(help: "accuracy, top5, f1, auroc, perplexity, rmse, mae or r2.") var metric = Metric.accuracy
  @Option(help: "Compute threads (default: what this machine and its cgroup allow).") var threads: Int?
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    if !metric.needsLabels {
      throw ValidationError("\(metric.rawValue) compares two models: `adze compress` reports it")
    }
  }

  func run() throws {
    let (_, program) = try loadProgram(model)
    do {
      let data = try Dataset(path: dataset)
      let result = try Evaluator.evaluate(
        program, data, metric: metric, threads: threads ?? CPU.threadsAvailable)
      Console.result(json ? try encodeJSON(result) : Self.text(result))
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  /// `accuracy 0.9819 (95 % interval 0.9693 … 0.9894), 719 samples`
  private static func text(_ result: MetricResult) -> String {
    var text = "\(result.name.rawValue) \(result.value.map(figure) ?? "infinite")"
    if let low = result.low, let high = result.high {
      text += " (95 % interval \(figure(low)) … \(figure(high)))"
    }
    return text + ", \(result.samples) samples"
  }

  private static func figure(_ value: Double) -> String { String((value * 10_000).rounded() / 10_000) }
}

extension Metric: ExpressibleByArgument {}
