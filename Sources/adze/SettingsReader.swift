import Configuration
import Synchronization
import SystemPackage
import Yams

/// Reads the settings from, strongest first: flags, environment, configuration file, defaults.
struct SettingsReader {
  /// - Parameters:
  ///   - file: a YAML file; nil reads none.
  ///   - overrides: `key=value` texts from the command line, the last one of a key wins.
  /// - Throws: `CommandFailure` naming the key for an unknown option or a value of the wrong kind.
  static func read(file: String?, overrides: [(key: String, value: String)]) async throws -> ServeSettings {
    let known = Setting.all
    var providers: [any ConfigProvider] = [try commandLine(overrides, known)]
    providers.append(EnvironmentVariablesProvider().prefixKeys(with: "adze"))
    if let file {
      try refuseUnknownKeys(in: file, known: Set(known.map(\.key)))
      do {
        providers.append(try await FileProvider<YAMLSnapshot>(filePath: FilePath(file)))
      } catch {
        throw CommandFailure("\(file): \(error)")
      }
    }
    let failures = FailureCollector()
    let reader = ConfigReader(providers: providers, accessReporter: failures)
    var settings = ServeSettings()
    for setting in known { setting.apply(reader, to: &settings) }
    if let failure = failures.first { throw CommandFailure(failure) }
    return settings
  }

  private static func commandLine(
    _ overrides: [(key: String, value: String)], _ known: [Setting]
  ) throws(CommandFailure) -> InMemoryProvider {
    var values: [AbsoluteConfigKey: ConfigValue] = [:]
    for (key, text) in overrides {
      guard let setting = known.first(where: { $0.key == key }) else {
        throw CommandFailure("unknown option '\(key)'; config/adze.yaml lists all of them")
      }
      guard let content = setting.content(text) else {
        throw CommandFailure("\(key): '\(text)' is not \(setting.expectation)")
      }
      values[AbsoluteConfigKey(ConfigKey(key))] = ConfigValue(content, isSecret: false)
    }
    return InMemoryProvider(name: "command line", values: values)
  }

  /// A misspelt option would otherwise be ignored without a word.
  private static func refuseUnknownKeys(in file: String, known: Set<String>) throws {
    let text = try readFile(file)
    let document: Node?
    do {
      document = try compose(yaml: String(decoding: text, as: UTF8.self))
    } catch {
      throw CommandFailure("\(file): \(error)")
    }
    guard let document else { return }
    for key in keys(of: document, prefix: "") where !known.contains(key) {
      throw CommandFailure("\(file): unknown option '\(key)'")
    }
  }

  private static func keys(of node: Node, prefix: String) -> [String] {
    guard let mapping = node.mapping else { return prefix.isEmpty ? [] : [prefix] }
    return mapping.flatMap { key, value -> [String] in
      let name = key.string ?? "?"
      return keys(of: value, prefix: prefix.isEmpty ? name : "\(prefix).\(name)")
    }
  }
}

extension Setting {
  fileprivate func apply(_ reader: ConfigReader, to settings: inout ServeSettings) {
    let key = ConfigKey(key)
    switch target {
    case .integer(let path): if let value = reader.int(forKey: key) { settings[keyPath: path] = value }
    case .number(let path): if let value = reader.double(forKey: key) { settings[keyPath: path] = value }
    case .text(let path): if let value = reader.string(forKey: key) { settings[keyPath: path] = value }
    case .list(let path): if let value = reader.stringArray(forKey: key) { settings[keyPath: path] = value }
    }
  }

  fileprivate func content(_ text: String) -> ConfigContent? {
    switch target {
    case .integer: Int(text).map(ConfigContent.int)
    case .number: Double(text).map(ConfigContent.double)
    case .text: .string(text)
    case .list: .stringArray(text.split(separator: ",").map(String.init))
    }
  }

  fileprivate var expectation: String {
    switch target {
    case .integer: "a whole number"
    case .number: "a number"
    case .text: "a text"
    case .list: "a list"
    }
  }
}

/// Keeps what went wrong while values were read, since readers answer a bad value like a missing one.
private final class FailureCollector: AccessReporter {
  private let failures = Mutex<[String]>([])

  var first: String? { failures.withLock { $0.first } }

  func report(_ event: AccessEvent) {
    var reasons: [String] = []
    if case .failure(let error) = event.result { reasons.append("\(error)") }
    if let error = event.conversionError { reasons.append("\(error)") }
    for provider in event.providerResults {
      if case .failure(let error) = provider.result { reasons.append("\(provider.providerName): \(error)") }
    }
    for reason in reasons {
      failures.withLock { $0.append("\(event.metadata.key): \(reason)") }
    }
  }
}
