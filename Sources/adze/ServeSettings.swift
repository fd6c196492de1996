import HTTPTransport
import Serving

/// Everything that `adze serve` can be told; `Setting.all` names each member for files, environment and flags.
struct ServeSettings {
  var transport = TransportConfiguration()
  var serving = ServingConfiguration(modelsDirectory: "data/models", dataDirectory: "data/state")
  var logLevel = "info"
  var drainSeconds = 30.0
}

/// One option: its key in the configuration file, and where its value goes.
///
/// `http.port` is `http:` `port:` in the file, `ADZE_HTTP_PORT` in the environment, `--set http.port=…` on the
/// command line. What the options mean and their defaults stand in config/adze.yaml.
struct Setting {
  enum Target {
    case integer(WritableKeyPath<ServeSettings, Int>)
    case number(WritableKeyPath<ServeSettings, Double>)
    case text(WritableKeyPath<ServeSettings, String>)
    case list(WritableKeyPath<ServeSettings, [String]>)
  }

  let key: String
  let target: Target

  static var all: [Setting] { http + inference + storage + jobs + logging }

  private static var http: [Setting] {
    [
      .init(key: "http.host", target: .text(\.transport.host)),
      .init(key: "http.port", target: .integer(\.transport.port)),
      .init(key: "http.event_loops", target: .integer(\.transport.eventLoops)),
      .init(key: "http.backlog", target: .integer(\.transport.backlog)),
      .init(key: "http.maximum_connections", target: .integer(\.transport.maximumConnections)),
      .init(key: "http.linger_ms", target: .integer(\.transport.lingerMilliseconds)),
      .init(key: "http.request_line_bytes", target: .integer(\.transport.requestLineBytes)),
      .init(key: "http.header_bytes", target: .integer(\.transport.headerBytes)),
      .init(key: "http.header_count", target: .integer(\.transport.headerCount)),
      .init(key: "http.chunk_extension_bytes", target: .integer(\.transport.chunkExtensionBytes)),
      .init(key: "http.concurrent_streams", target: .integer(\.transport.concurrentStreams)),
      .init(key: "http.stream_window_bytes", target: .integer(\.transport.streamWindowBytes)),
      .init(key: "http.connection_window_bytes", target: .integer(\.transport.connectionWindowBytes)),
      .init(key: "http.reset_burst", target: .integer(\.transport.resetBurst)),
      .init(key: "http.resets_per_second", target: .integer(\.transport.resetsPerSecond)),
      .init(key: "http.body_bytes_in_flight", target: .integer(\.transport.bodyBytesInFlight)),
      .init(key: "http.discard_bytes", target: .integer(\.transport.discardBytes)),
      .init(key: "http.discard_seconds", target: .number(\.transport.discardSeconds)),
      .init(key: "http.response_backlog_bytes", target: .integer(\.transport.responseBacklogBytes)),
      .init(key: "http.header_seconds", target: .number(\.transport.headerSeconds)),
      .init(key: "http.body_idle_seconds", target: .number(\.transport.bodyIdleSeconds)),
      .init(key: "http.keep_alive_seconds", target: .number(\.transport.keepAliveSeconds)),
      .init(key: "http.write_stall_seconds", target: .number(\.transport.writeStallSeconds)),
      .init(key: "http.gzip_minimum_bytes", target: .integer(\.transport.gzipMinimumBytes)),
      .init(key: "http.gzip_level", target: .integer(\.transport.gzipLevel)),
      .init(key: "http.drain_seconds", target: .number(\.drainSeconds)),
    ]
  }

  private static var inference: [Setting] {
    [
      .init(key: "inference.worker_threads", target: .integer(\.serving.workerThreads)),
      .init(key: "inference.intra_op_threads", target: .integer(\.serving.intraOpThreads)),
      .init(key: "inference.maximum_queued_requests", target: .integer(\.serving.maximumQueuedRequests)),
      .init(key: "inference.maximum_queued_bytes", target: .integer(\.serving.maximumQueuedBytes)),
      .init(key: "inference.maximum_batch_size", target: .integer(\.serving.maximumBatchSize)),
      .init(key: "inference.minimum_shard_rows", target: .integer(\.serving.minimumShardRows)),
      .init(
        key: "inference.maximum_queue_delay_us", target: .integer(\.serving.maximumQueueDelayMicroseconds)),
      .init(key: "inference.maximum_run_bytes", target: .integer(\.serving.maximumRunBytes)),
      .init(key: "inference.request_timeout_ms", target: .integer(\.serving.requestTimeoutMilliseconds)),
      .init(key: "inference.maximum_body_bytes", target: .integer(\.serving.maximumInferenceBodyBytes)),
      .init(key: "inference.maximum_json_body_bytes", target: .integer(\.serving.maximumJSONBodyBytes)),
      .init(key: "inference.maximum_json_depth", target: .integer(\.serving.maximumJSONDepth)),
    ]
  }

  private static var storage: [Setting] {
    [
      .init(key: "models.directory", target: .text(\.serving.modelsDirectory)),
      .init(key: "models.preload", target: .list(\.serving.preloadDirectories)),
      .init(key: "models.maximum_models", target: .integer(\.serving.maximumModels)),
      .init(key: "models.maximum_files", target: .integer(\.serving.maximumFilesPerVersion)),
      .init(key: "models.maximum_memory_bytes", target: .integer(\.serving.maximumModelMemoryBytes)),
      .init(key: "models.maximum_versions", target: .integer(\.serving.maximumVersionsPerModel)),
      .init(key: "data.directory", target: .text(\.serving.dataDirectory)),
      .init(key: "data.preload_datasets", target: .list(\.serving.preloadDatasetDirectories)),
      .init(key: "data.maximum_datasets", target: .integer(\.serving.maximumDatasets)),
      .init(key: "uploads.maximum_model_bytes", target: .integer(\.serving.maximumModelBytes)),
      .init(key: "uploads.maximum_dataset_bytes", target: .integer(\.serving.maximumDatasetBytes)),
      .init(key: "uploads.maximum_concurrent", target: .integer(\.serving.maximumConcurrentUploads)),
      .init(key: "uploads.minimum_free_disk_bytes", target: .integer(\.serving.minimumFreeDiskBytes)),
    ]
  }

  private static var jobs: [Setting] {
    [
      .init(key: "jobs.concurrent", target: .integer(\.serving.concurrentJobs)),
      .init(key: "jobs.maximum_queued", target: .integer(\.serving.maximumQueuedJobs)),
      .init(key: "jobs.maximum_finished", target: .integer(\.serving.maximumFinishedJobs)),
      .init(key: "jobs.memory_bytes", target: .integer(\.serving.jobMemoryBytes)),
      .init(key: "jobs.time_limit_seconds", target: .integer(\.serving.jobTimeLimitSeconds)),
      .init(key: "jobs.kill_grace_seconds", target: .integer(\.serving.jobKillGraceSeconds)),
      .init(key: "jobs.stop_grace_seconds", target: .integer(\.serving.jobStopGraceSeconds)),
      .init(key: "jobs.niceness", target: .integer(\.serving.jobNiceness)),
      .init(key: "jobs.maximum_report_bytes", target: .integer(\.serving.maximumReportBytes)),
      .init(key: "jobs.result_retention_seconds", target: .integer(\.serving.resultRetentionSeconds)),
    ]
  }

  private static var logging: [Setting] {
    [.init(key: "log.level", target: .text(\.logLevel))]
  }
}
