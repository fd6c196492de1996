import Engine
import GraphIR
import Glibc
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
    let before = residentBytes()
    let runner = try runner(file, resources)
    if let samples {
      try runner.prepare(samples.inputs(samples.batches(of: 1)[0]))
      try runner.execute()
    }
    return withExtendedLifetime(runner) {
      var growth = 0
      if let before, let after = residentBytes() { growth = after - before }
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

  /// Of this process; nil where the system does not say.
  private static func residentBytes() -> Int? {
    let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 256)
    let got = read(descriptor, &buffer, buffer.count)
    if got <= 0 { return nil }
    let fields = String(decoding: buffer[..<got], as: UTF8.self).split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
    return pages * sysconf(Int32(_SC_PAGESIZE))
  }
}
