import ArgumentParser
import Engine
import Tensors

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs one inference: inputs from an .npz file, outputs to another.",
    discussion: """
      The arrays of the inputs file are named like the model's inputs (`adze inspect MODEL` lists them).
      Outputs that are no tensors, such as the class probabilities of a ZipMap, are printed as one JSON object.

      adze run model.onnx --inputs in.npz --outputs out.npz
      """)

  @Argument(help: "The ONNX file.") var model: String
  @Option(help: "An .npz file with one array for each input.") var inputs: String
  @Option(help: "Where the .npz file with one array for each output is written.") var outputs: String
  @Option(help: "Compute threads (default: what this machine and its cgroup allow).") var threads: Int?

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
  }

  func run() throws {
    let (_, program) = try loadProgram(model, mapsAsTensors: false)
    let arrays = try loadArrays(inputs)
    var bound: [Tensor] = []
    for port in program.inputs {
      guard let array = arrays.first(where: { $0.name == port.name }) else {
        if port.isOptional { continue }
        let present = arrays.isEmpty ? "none" : arrays.map(\.name).joined(separator: ", ")
        throw CommandFailure("\(inputs): no array '\(port.name)'; it holds \(present)")
      }
      bound.append(array.tensor)
    }
    let session = Session(program, team: ThreadTeam(threads: threads ?? CPU.threadsAvailable))
    do {
      let results = try session.run(values: bound.map(RuntimeValue.tensor))
      let named = zip(program.outputs, results)
      try Npz.write(
        named.compactMap { port, value in value.tensor.map { (name: port.name, tensor: $0) } }, path: outputs)
      let others = named.filter { $1.tensor == nil }
      if !others.isEmpty {
        let members = others.map { ValueJSON.quoted($0.name) + ": " + ValueJSON.text($1) }
        Console.result("{" + members.joined(separator: ",\n ") + "}")
      }
    } catch {
      throw CommandFailure("\(error)")
    }
  }
}
