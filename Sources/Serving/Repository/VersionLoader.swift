import Engine
import GraphIR
import ONNXFormat

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
      let model = try Model.load(path: directory + "/" + RepositoryLayout.modelFile, limits: loadLimits)
      let program = try Program.compile(model, options: compileOptions)
      if let reason = Self.unservable(program) { return .broken(reason: reason) }
      return .program(program, seconds: Double((ContinuousClock.now - started).nanoseconds) / 1e9)
    } catch {
      let missing = missingFiles(directory)
      return missing.isEmpty ? .broken(reason: "\(error)") : .waiting(files: missing)
    }
  }

  /// The protocols carry tensors only.
  private static func unservable(_ program: Program) -> String? {
    for (ports, kind) in [(program.inputs, "input"), (program.outputs, "output")] {
      for port in ports where !port.isTensor || port.isOptional {
        let type = port.isOptional ? "an optional" : "a sequence"
        return
          "\(kind) '\(port.name)' is \(type); only models whose inputs and outputs are tensors are served"
      }
    }
    return nil
  }

  /// External-data files that the model names, that may be uploaded beside it, and that are not there.
  private func missingFiles(_ directory: String) -> [String] {
    let path = directory + "/" + RepositoryLayout.modelFile
    guard let locations = try? ExternalLocations.list(path: path, limits: loadLimits) else { return [] }
    // A location that no upload can have, such as ../x, makes the model broken instead of waiting.
    if !locations.allSatisfy(ResourceName.isValid) { return [] }
    return locations.filter { !FileSystem.isFile(directory + "/" + $0) }
  }

  private var loadLimits: LoadLimits {
    var limits = LoadLimits()
    limits.fileBytes = min(limits.fileBytes, configuration.maximumModelBytes)
    limits.decodedBytes = min(limits.decodedBytes, configuration.maximumModelMemoryBytes)
    limits.tensorBytes = configuration.maximumModelMemoryBytes
    return limits
  }

  private var compileOptions: CompileOptions {
    var options = CompileOptions()
    options.arenaLimit = configuration.maximumRunBytes
    options.tensorLimit = min(options.tensorLimit, configuration.maximumRunBytes)
    // Answers must not depend on who else is in the batch.
    options.dynamicQuantization = .perRequest
    options.mapsAsTensors = true
    return options
  }

  func servable(name: String, version: Int, program: Program, seconds: Double) -> Servable {
    let servable = Servable(
      name: name, version: version, program: program, configuration: configuration, workers: workers,
      statistics: metrics.statistics(model: name, version: version), loadSeconds: seconds)
    servable.warm()
    return servable
  }
}
