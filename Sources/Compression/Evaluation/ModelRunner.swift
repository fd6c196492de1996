import Engine
import GraphIR
import Tensors

/// A compiled model with a session of its own, whose errors are this module's.
final class ModelRunner {
  let program: Program
  fileprivate let session: Session

  /// - Parameter weightForm: nil: what is fastest here, which takes time to find out.
  /// - Throws: `CompressionError.model` for what the engine cannot compile.
  convenience init(
    _ model: Model, _ resources: Resources, weightForm: WeightFormKind? = nil
  ) throws(CompressionError) {
    do {
      var options = CompileOptions()
      options.mapsAsTensors = true
      options.weightForm = weightForm
      self.init(try Program.compile(model, options: options), resources)
    } catch {
      throw .model("\(error)")
    }
  }

  init(_ program: Program, _ resources: Resources) {
    self.program = program
    session = Session(program, team: resources.team)
    let meter = resources.meter
    session.isCancelled = { meter.shouldStop() }
  }

  /// The outputs for `inputs`, in the program's order.
  func run(_ inputs: [Tensor]) throws(CompressionError) -> [Tensor] {
    do {
      return try session.run(inputs)
    } catch EngineError.cancelled {
      throw .cancelled
    } catch {
      throw .model("\(error)")
    }
  }

  /// Runs what `prepare` has set up; nothing is allocated.
  func execute() throws(CompressionError) {
    do {
      try session.execute()
    } catch EngineError.cancelled {
      throw .cancelled
    } catch {
      throw .model("\(error)")
    }
  }

  /// Sets the session up for `inputs`, so that `execute` runs on them.
  func prepare(_ inputs: [Tensor]) throws(CompressionError) {
    do {
      try session.prepare(inputs.map(\.shape))
    } catch {
      throw .model("\(error)")
    }
    for (index, tensor) in inputs.enumerated() {
      if tensor.type == .string {
        session.setInput(index, tensor)
      } else {
        session.withInputBytes(index) { destination in tensor.withBytes { destination.copyMemory(from: $0) } }
      }
    }
  }
}

extension ModelRunner {
  /// While timing, the session is not asked to stop between its nodes.
  func withoutInterruption<R>(_ body: () throws(CompressionError) -> R) throws(CompressionError) -> R {
    let question = session.isCancelled
    session.isCancelled = nil
    defer { session.isCancelled = question }
    return try body()
  }

  /// Bytes of the constants and of the memory for values.
  var heldBytes: Int { program.statistics.weightBytes + session.arenaBytes }

  /// The time of each node of one run on `inputs`, the mean of `runs`, by node name.
  func nodeMicroseconds(_ inputs: [Tensor], runs: Int) throws(CompressionError) -> [String: Double] {
    try prepare(inputs)
    // The first run packs weights.
    try execute()
    let profiler = Profiler()
    session.profiler = profiler
    defer { session.profiler = nil }
    for _ in 0..<runs { try execute() }
    var times: [String: Double] = [:]
    for entry in profiler.entries {
      times[entry.node, default: 0] += Double(entry.nanoseconds) / 1e3 / Double(runs)
    }
    return times
  }

  /// The kernels that one run on what `prepare` has set up uses, by node name.
  func kernels() throws(CompressionError) -> [String: [String]] {
    let profiler = Profiler()
    session.profiler = profiler
    defer { session.profiler = nil }
    try execute()
    var kernels: [String: [String]] = [:]
    for entry in profiler.entries { kernels[entry.node, default: []].append(entry.kernel) }
    return kernels
  }
}

/// What every part of a compression shares.
struct Resources {
  var team: ThreadTeam
  var meter: ProgressMeter
}
