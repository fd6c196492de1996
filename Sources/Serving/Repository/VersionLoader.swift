import Engine
import GraphIR

/// The outcome of loading a version's files.
enum LoadedVersion {
  case program(Program, seconds: Double)
  /// External-data files are missing.
  case waiting(files: [String])
  case broken(reason: String)
}

/// Turns a version's directory into something that answers requests.
struct VersionLoader: Sendable {
  let configuration: ServingConfiguration
  let workers: WorkerPool
  let metrics: Metrics

  /// - Throws: `.invalidModel` that says what is damaged or unsupported.
  func load(directory: String) throws(ServingError) -> LoadedVersion {
    let loaded = loadReporting(directory: directory)
    if case .broken(let reason) = loaded { throw .invalidModel(reason: reason) }
    return loaded
  }

  /// As `load`, with the error as a value.
  func loadReporting(directory: String) -> LoadedVersion {
    let started = ContinuousClock.now
    do {
      let model = try Model.load(path: directory + "/" + RepositoryLayout.modelFile)
      let program = try Program.compile(model)
      return .program(program, seconds: Double((ContinuousClock.now - started).nanoseconds) / 1e9)
    } catch {
      return .broken(reason: "\(error)")
    }
  }

  func servable(name: String, version: Int, program: Program, seconds: Double) -> Servable {
    Servable(
      name: name, version: version, program: program, configuration: configuration, workers: workers,
      statistics: metrics.statistics(model: name, version: version), loadSeconds: seconds)
  }
}
