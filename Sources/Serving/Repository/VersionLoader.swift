import Engine
import GraphIR

/// The outcome of loading a version's files.
enum LoadedVersion {
  case program(Program)
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
    do {
      let model = try Model.load(path: directory + "/" + RepositoryLayout.modelFile)
      return .program(try Program.compile(model))
    } catch {
      return .broken(reason: "\(error)")
    }
  }

  func servable(name: String, version: Int, program: Program) -> Servable {
    Servable(
      name: name, version: version, program: program, configuration: configuration, workers: workers,
      statistics: metrics.statistics(model: name, version: version))
  }
}
