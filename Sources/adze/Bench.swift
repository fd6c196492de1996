import ArgumentParser
import Engine
import Tensors

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures a model on this machine: latency percentiles and rows per second.",
    discussion: """
      Inputs are random and the same in every run. One call is timed at a time, after a warm-up.

      adze bench model.onnx --batch 32 --threads 1
      adze bench bert.onnx --dim sequence=128 --profile
      """)

  @Argument(help: "The ONNX file.") var model: String
  @Option(help: "Rows of one call: the extent of a free leading dimension.") var batch = 1
  @Option(help: "Compute threads (default: what this machine and its cgroup allow).") var threads: Int?
  @Option(help: "How long to measure.") var seconds = 3.0
  @Option(name: .customLong("dim"), help: "name=N: the extent of a symbolic dimension; repeatable.")
  var dimensions: [String] = []
  @Flag(help: "Also show the time of every node.") var profile = false
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    if batch < 1 { throw ValidationError("--batch must be at least 1") }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    if !(seconds > 0 && seconds <= 3600) { throw ValidationError("--seconds must be above 0, at most 3600") }
  }

  func run() throws {
    let clock = ContinuousClock()
    let start = clock.now
    let (_, program) = try loadProgram(model)
    let session = Session(program, team: ThreadTeam(threads: threads ?? CPU.threadsAvailable))
    let inputs = try makeInputs(for: program)
    do {
      try session.prepare(inputs.map(\.shape))
      for (index, input) in inputs.enumerated() { session.setInput(index, input) }
      try session.execute()
    } catch {
      throw CommandFailure("\(model): \(error)")
    }
    let load = (clock.now - start).milliseconds
    let latencies = try measure(session, clock)
    let result = BenchResult(
      latencies: latencies, batch: batch, loadMilliseconds: load, isa: CPU.isa,
      threads: session.team.threads, profile: profile ? try profiled(session) : nil)
    Console.result(json ? result.json : result.text)
  }

  private func makeInputs(for program: Program) throws -> [Tensor] {
    var maker = InputMaker(batch: batch, dimensions: try parseDimensions(dimensions))
    var inputs: [Tensor] = []
    for port in program.inputs where !port.isOptional {
      inputs.append(try maker.tensor(for: port))
    }
    for name in maker.assumed { Console.message("\(name)=1 assumed; set it with --dim \(name)=N") }
    return inputs
  }

  /// Latencies in milliseconds, ascending; at least ten of them.
  private func measure(_ session: Session, _ clock: ContinuousClock) throws -> [Double] {
    let warmUpEnd = clock.now.advanced(by: .seconds(min(0.3, seconds / 4)))
    while clock.now < warmUpEnd { try session.execute() }
    var latencies: [Double] = []
    var bar = ProgressBar()
    let begin = clock.now
    let end = begin.advanced(by: .seconds(seconds))
    var before = begin
    while before < end || latencies.count < 10 {
      try session.execute()
      let after = clock.now
      latencies.append((after - before).milliseconds)
      before = after
      if latencies.count % 64 == 0 { bar.show((after - begin).milliseconds / (seconds * 1000), "measuring") }
    }
    bar.finish()
    latencies.sort()
    return latencies
  }

  private func profiled(_ session: Session) throws -> [Profiler.Entry] {
    let profiler = Profiler()
    session.profiler = profiler
    for _ in 0..<20 { try session.execute() }
    session.profiler = nil
    return profiler.entries
  }
}

extension Duration {
  var milliseconds: Double {
    Double(components.seconds) * 1e3 + Double(components.attoseconds) * 1e-15
  }
}
