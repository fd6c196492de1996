import ArgumentParser
import Compression
import Engine
import GraphIR
import Serving
import Tensors

struct Compress: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes a model smaller and faster and reports what that did to its quality.",
    discussion: """
      The output is standard ONNX. Without a recipe the preset `balanced` is used; a recipe is JSON:

      {"steps": [{"prune": {"method": "magnitude", "sparsity": 0.5}},
                 {"quantize": {"weights": "int8", "activations": "dynamic"}}]}

      adze compress model.onnx small.onnx
      adze compress model.onnx small.onnx --recipe recipe.json --evaluation test.npz --report report.json

      A search ({"search": {"seconds": 120}} in the place of steps) that gets SIGTERM or Ctrl-C ends with the best
      that it has found; the second signal ends the process.
      """)

  @Argument(help: "The ONNX file to compress.") var input: String
  @Argument(help: "Where the compressed ONNX file is written.") var output: String
  @Option(help: "safe, balanced, fast, small or audit.") var preset: String?
  @Option(help: "A recipe file (JSON).") var recipe: String?
  @Option(help: "An .npz file of sample inputs, for static quantization.") var calibration: String?
  @Option(help: "An .npz file of inputs and `labels`, for the report.") var evaluation: String?
  @Option(help: "Where the report (JSON) is written.") var report: String?
  @Option(help: "Where the report is written as a page for a browser.") var html: String?
  @Option(help: "NAME=PATH: the ONNX file of a model that merge steps name. Can be given again.")
  var other: [String] = []
  @Option(help: "Compute threads (default: what this machine and its cgroup allow).") var threads: Int?
  @Flag(help: "Print progress as JSON lines on stdout.") var progressJson = false
  @Option(help: "Bytes of address space that this process may use.") var memoryLimit: Int?
  @Option(help: "Seconds of processor time that this process may use.") var timeLimit: Int?

  func validate() throws {
    if preset != nil && recipe != nil { throw ValidationError("give --preset or --recipe, not both") }
    for entry in other where entry.split(separator: "=", maxSplits: 1).count != 2 {
      throw ValidationError("--other '\(entry)' must be NAME=PATH")
    }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
  }

  func run() throws {
    try ProcessMemory.limit(bytes: memoryLimit, seconds: timeLimit)
    let recipe = try loadRecipe()
    if recipe.search != nil { FinishRequest.listen() }
    let model = try loadModel(input)
    let output = try compress(model, recipe)
    do {
      try output.model.save(path: self.output)
      if let report { try FileBytes.write(output.report.encoded(), path: report) }
      if let html { try FileBytes.write(ReportPage.html(output.report), path: html) }
    } catch {
      throw CommandFailure("\(error)")
    }
    if !progressJson { Console.result(summary(output.report)) }
  }

  private func summary(_ report: Report) -> String {
    ([report.verdict] + report.reasons.map { "not promoted: \($0)" } + report.notes).joined(separator: "\n")
  }

  private func sha256(_ file: MappedFile) -> String {
    let digest = SHA256()
    withExtendedLifetime(file) { digest.update(file.bytes) }
    return digest.hexadecimal()
  }

  private func loadRecipe() throws(CommandFailure) -> Recipe {
    do {
      if let recipe {
        return try Recipe.parse(try readFile(recipe))
      }
      return try Recipe.parse(Array("{\"preset\":\"\(preset ?? "balanced")\"}".utf8))
    } catch {
      throw CommandFailure("\(recipe.map { "\($0): " } ?? "")\(error)")
    }
  }

  private func loadOthers() throws(CommandFailure) -> [String: Model] {
    var models: [String: Model] = [:]
    for entry in other {
      let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
      if models.updateValue(try loadModel(parts[1]), forKey: parts[0]) != nil {
        throw CommandFailure("--other \(parts[0]): given twice")
      }
    }
    return models
  }

  private func compress(_ model: Model, _ recipe: Recipe) throws(CommandFailure) -> CompressionOutput {
    let reporter = ProgressReporter(printsJSON: progressJson)
    defer { reporter.finish() }
    do {
      let file = try FileBytes.map(path: input)
      var source = CompressionInput(
        model: model, fileBytes: file.count, sourceSHA256: sha256(file),
        recipe: recipe, calibration: try calibration.map { try Dataset(path: $0) },
        evaluation: try evaluation.map { try Dataset(path: $0) }, others: try loadOthers(),
        threads: threads ?? CPU.threadsAvailable)
      source.shouldFinish = { FinishRequest.wasMade }
      return try Compressor.run(source) { progress in
        reporter.show(progress)
        return true
      }
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure("\(error)")
    }
  }
}
