import Engine
import GraphIR
import Tensors

/// Reads and compiles a model file; every error names the file.
/// - Parameter mapsAsTensors: what becomes of outputs that are maps, as `CompileOptions` says.
func loadProgram(_ path: String, mapsAsTensors: Bool = true) throws(CommandFailure) -> (
  model: Model, program: Program
) {
  let model = try loadModel(path)
  do {
    var options = CompileOptions()
    options.mapsAsTensors = mapsAsTensors
    return (model, try Program.compile(model, options: options))
  } catch {
    throw CommandFailure("\(path): \(error)")
  }
}

func loadModel(_ path: String) throws(CommandFailure) -> Model {
  do {
    return try Model.load(path: path)
  } catch {
    throw CommandFailure("\(path): \(error)")
  }
}

func loadArrays(_ path: String) throws(CommandFailure) -> [(name: String, tensor: Tensor)] {
  do {
    return try Npz.read(path: path)
  } catch {
    throw CommandFailure("\(path): \(error)")
  }
}

/// The bytes of a file that is read whole.
func readFile(_ path: String) throws(CommandFailure) -> [UInt8] {
  do {
    let file = try FileBytes.map(path: path)
    return withExtendedLifetime(file) { Array(file.bytes) }
  } catch {
    throw CommandFailure("\(error)")
  }
}
