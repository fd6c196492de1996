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
      adze bench ocr.onnx --dim x.2=48 --dim x.3=320  extents of input x that have no name, counted from 0
      adze bench --kernels                            what this CPU can do, and how near each kernel comes

      Rates are 10^9 operations a second where a node multiplies (a multiplication with addition is two; weights that
      are zero count), or 10^9 bytes of operands. Their peak is measured on one core and taken times the threads; it
      is passed by algorithms that take fewer operations (Winograd, sparse weights).
      """)

  @Argument(help: "The ONNX file; none with --kernels.") var model: String?
  @Option(help: "Rows of one call: the extent of a free leading dimension.") var batch = 1
  @Option(help: "Compute threads (default: what this machine and its cgroup allow).") var threads: Int?
  @Option(help: "How long to measure.") var seconds = 3.0
  @Option(
    name: .customLong("dim"),
    help: "name=N: the extent of an open dimension, by its name or as input.axis; repeatable.")
  var dimensions: [String] = []
  @Flag(help: "Also show time, rate and share of this CPU's peak of every node and operator.") var profile =
    false
  @Flag(help: "Measure the kernels on one thread, without a model.") var kernels = false
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    if kernels != (model == nil) {
      throw ValidationError(kernels ? "--kernels takes no model" : "a model is needed, or --kernels")
    }
    if kernels && profile { throw ValidationError("--profile needs a model") }
    if batch < 1 { throw ValidationError("--batch must be at least 1") }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1") }
    if !(seconds > 0 && seconds <= 3600) { throw ValidationError("--seconds must be above 0, at most 3600") }
  }

  func run() throws {
    if let model { return try run(model) }
    let result = try KernelBench.measured()
    Console.result(json ? result.json : result.text)
  }

  private func run(_ model: String) throws {
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
      threads: session.team.threads,
      profile: profile ? try profiled(session, latencies[latencies.count / 2]) : nil)
    Console.result(json ? result.json : result.text)
  }

  private func makeInputs(for program: Program) throws -> [Tensor] {
    let named = try parseDimensions(dimensions)
    var maker = InputMaker(batch: batch, dimensions: named)
    var inputs: [Tensor] = []
    for port in program.inputs where !port.isOptional {
      inputs.append(try maker.tensor(for: port))
    }
    for name in named.keys.sorted() where !maker.open.contains(name) {
      let known =
        maker.open.isEmpty ? "none is open" : "open are \(maker.open.sorted().joined(separator: ", "))"
      Console.message("--dim \(name) sets nothing: no input has such a dimension; \(known)")
    }
    for name in maker.assumed { Console.message("\(name)=1 assumed; set it with --dim \(name)=N") }
    return inputs
  }

  /// Latencies in milliseconds, ascending; at least three of them.
  private func measure(_ session: Session, _ clock: ContinuousClock) throws -> [Double] {
    let warmUpEnd = clock.now.advanced(by: .seconds(min(0.3, seconds / 4)))
    while clock.now < warmUpEnd { try session.execute() }
    var latencies: [Double] = []
    var bar = ProgressBar()
    let begin = clock.now
    let end = begin.advanced(by: .seconds(seconds))
    var before = begin
    while before < end || latencies.count < 3 {
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

  /// Enough runs for half a second, at most twenty.
  private func profiled(_ session: Session, _ milliseconds: Double) throws -> BenchProfile {
    let runs = max(2, min(20, Int(500 / max(milliseconds, 1e-3))))
    let profiler = Profiler()
    session.profiler = profiler
    for _ in 0..<runs { try session.execute() }
    session.profiler = nil
    return BenchProfile(
      profiler.entries, runs: runs, peaks: try PeakRates.measured(), threads: session.team.threads)
  }
}

extension Duration {
  var milliseconds: Double {
    Double(components.seconds) * 1e3 + Double(components.attoseconds) * 1e-15
  }
}
