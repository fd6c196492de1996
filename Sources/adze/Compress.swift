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
      """)

  @Argument(help: "The ONNX file to compress.") var input: String
  @Argument(help: "Where the compressed ONNX file is written.") var output: String
  @Option(help: "safe, balanced, fast, small or audit.") var preset: String?
  @Option(help: "A recipe file (JSON).") var recipe: String?
  @Option(help: "An .npz file of sample inputs, for static quantization.") var calibration: String?
  @Option(help: "An .npz file of inputs and `labels`, for the report.") var evaluation: String?
  @Option(help: "Where the report (JSON) is written.") var report: String?
  @Option(help: "Compute threads (default: what this machine and its cgroup allow).") var threads: Int?
  @Flag(help: "Print progress as JSON lines on stdout.") var progressJson = false
  @Option(help: "Bytes of address space that this process may use.") var memoryLimit: Int?
  @Option(help: "Seconds of processor time that this process may use.") var timeLimit: Int?

  func validate() throws {
    if preset != nil && recipe != nil { throw ValidationError("give --preset or --recipe, not both") }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
  }

  func run() throws {
    try ProcessMemory.limit(bytes: memoryLimit, seconds: timeLimit)
    let recipe = try loadRecipe()
    let model = try loadModel(input)
    let output = try compress(model, recipe)
    do {
      try output.model.save(path: self.output)
      if let report { try FileBytes.write(output.report.encoded(), path: report) }
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

  private func compress(_ model: Model, _ recipe: Recipe) throws(CommandFailure) -> CompressionOutput {
    var bar = ProgressBar()
    do {
      let file = try FileBytes.map(path: input)
      let source = CompressionInput(
        model: model, fileBytes: file.count, sourceSHA256: sha256(file),
        recipe: recipe, calibration: try calibration.map { try Dataset(path: $0) },
        evaluation: try evaluation.map { try Dataset(path: $0) }, threads: threads ?? CPU.threadsAvailable)
      let result = try Compressor.run(source) { progress in
        let stage = progress.stage.rawValue
        if progressJson {
          Console.result("{\"stage\":\"\(stage)\",\"progress\":\(progress.fraction)}")
        } else {
          bar.show(progress.fraction, stage)
        }
        return true
      }
      bar.finish()
      return result
    } catch {
      bar.finish()
      throw CommandFailure("\(error)")
    }
  }
}
