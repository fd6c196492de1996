import Engine
import GraphIR
import Tensors

/// What a loaded model holds: constants, packed weights, and the memory of one run.
enum ResidentMemory {
  /// The growth of this process while the model is loaded and run once; never less than its constants and values,
  /// which small models find room for in pages that the process has already.
  /// - Parameters:
  ///   - file: the model as it is stored.
  ///   - samples: the model runs on the first of them, so that weights are packed; nil where there are none.
  /// - Throws: `CompressionError.model` when the model does not load, compile or run.
  static func bytes(
    of file: [UInt8], _ samples: DatasetBinding?, _ resources: Resources
  ) throws(CompressionError) -> Int {
    let before = ProcessMemory.residentBytes()
    let runner = try runner(file, resources)
    if let samples {
      try runner.prepare(samples.inputs(samples.batches(of: 1)[0]))
      try runner.execute()
    }
    return withExtendedLifetime(runner) {
      var growth = 0
      if let before, let after = ProcessMemory.residentBytes() { growth = after - before }
      return max(growth, runner.heldBytes)
    }
  }

  /// The model itself is gone afterwards, but for what the program keeps of it.
  private static func runner(_ file: [UInt8], _ resources: Resources) throws(CompressionError) -> ModelRunner
  {
    let model: Model
    do {
      model = try Model.load(bytes: file)
    } catch {
      throw .model("\(error)")
    }
    return try ModelRunner(model, resources)
  }
}
