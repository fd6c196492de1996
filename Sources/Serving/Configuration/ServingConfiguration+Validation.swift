/// A setting outside its range: `maximum_batch_size: 0 is not in 1…65536`.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
  public let setting: String
  public let reason: String

  public init(setting: String, reason: String) {
    self.setting = setting
    self.reason = reason
  }

  public var description: String { "\(setting): \(reason)" }
}

extension ServingConfiguration {
  /// Checks every setting against its range.
  /// - Throws: `ConfigurationError` for the first that is wrong.
  public func validate() throws(ConfigurationError) {
    for (setting, path) in [
      ("modelsDirectory", modelsDirectory), ("dataDirectory", dataDirectory),
      ("executablePath", executablePath),
    ] where path.isEmpty || path.utf8.contains(0) {
      throw ConfigurationError(setting: setting, reason: "a path is needed")
    }
    if modelsDirectory == dataDirectory {
      throw ConfigurationError(setting: "dataDirectory", reason: "must differ from modelsDirectory")
    }
    for (setting, value, range) in ranges where !range.contains(value) {
      throw ConfigurationError(
        setting: setting, reason: "\(value) is not in \(range.lowerBound)…\(range.upperBound)")
    }
  }

  private var ranges: [(setting: String, value: Int, range: ClosedRange<Int>)] {
    let bytes = 1...(1 << 46)
    return [
      ("workerThreads", workerThreads, 0...1024),
      ("intraOpThreads", intraOpThreads, 0...1024),
      ("maximumQueuedRequests", maximumQueuedRequests, 1...1_000_000),
      ("maximumQueuedBytes", maximumQueuedBytes, bytes),
      ("maximumBatchSize", maximumBatchSize, 1...65_536),
      ("minimumShardRows", minimumShardRows, 1...65_536),
      ("maximumQueueDelayMicroseconds", maximumQueueDelayMicroseconds, 0...60_000_000),
      ("requestTimeoutMilliseconds", requestTimeoutMilliseconds, 0...86_400_000),
      ("maximumModelMemoryBytes", maximumModelMemoryBytes, bytes),
      ("maximumRunBytes", maximumRunBytes, bytes),
      ("maximumInferenceBodyBytes", maximumInferenceBodyBytes, bytes),
      ("maximumJSONBodyBytes", maximumJSONBodyBytes, bytes),
      ("maximumJSONDepth", maximumJSONDepth, 1...512),
      ("maximumModelBytes", maximumModelBytes, bytes),
      ("maximumDatasetBytes", maximumDatasetBytes, bytes),
      ("maximumConcurrentUploads", maximumConcurrentUploads, 1...10_000),
      ("minimumFreeDiskBytes", minimumFreeDiskBytes, 0...(1 << 46)),
      ("maximumVersionsPerModel", maximumVersionsPerModel, 1...1_000_000),
      ("maximumFilesPerVersion", maximumFilesPerVersion, 4...100_000),
      ("maximumModels", maximumModels, 1...1_000_000),
      ("maximumDatasets", maximumDatasets, 1...1_000_000),
      ("concurrentJobs", concurrentJobs, 1...64),
      ("maximumQueuedJobs", maximumQueuedJobs, 1...100_000),
      ("maximumFinishedJobs", maximumFinishedJobs, 1...1_000_000),
      ("jobMemoryBytes", jobMemoryBytes, 0...(1 << 46)),
      ("jobTimeLimitSeconds", jobTimeLimitSeconds, 1...604_800),
      ("jobKillGraceSeconds", jobKillGraceSeconds, 0...600),
      ("jobStopGraceSeconds", jobStopGraceSeconds, 0...86_400),
      ("jobNiceness", jobNiceness, 0...19),
      ("maximumReportBytes", maximumReportBytes, bytes),
      ("resultRetentionSeconds", resultRetentionSeconds, 1...86_400),
    ]
  }
}
