/// Every setting and limit of the serving core. Each has a default that suits a machine of a few cores;
/// `validate()` is called once at start.
public struct ServingConfiguration: Sendable, Equatable {
  // MARK: Places

  /// Where uploaded models live: `<directory>/<model>/<version>/model.onnx`. Created when missing.
  public var modelsDirectory: String
  /// Where the database, datasets and the jobs' scratch files live. Created when missing.
  public var dataDirectory: String
  /// Directories laid out like `modelsDirectory` whose models are served in place and never written to.
  public var preloadDirectories: [String] = []
  /// Directories whose `*.npz` files are offered as read-only datasets named after the file.
  public var preloadDatasetDirectories: [String] = []
  /// The program that runs compression jobs, called as `<path> compress …`. The default is this very binary.
  public var executablePath = "/proc/self/exe"

  // MARK: Inference

  /// Compute threads, and so the most batches that run at once. 0: as many as the CPU quota allows.
  public var workerThreads = 0
  /// The most threads that one batch may use while the other workers are idle. 0: all workers.
  public var intraOpThreads = 0
  /// Requests that may wait per model; one more is refused with `.overloaded`.
  public var maximumQueuedRequests = 1024
  /// Bytes of input tensors that may wait over all models; more is refused with `.overloaded`.
  public var maximumQueuedBytes = 1 << 30
  /// Rows that one run of a model takes at most; larger requests are cut into runs of this many rows.
  public var maximumBatchSize = 64
  /// Rows below which a batch is not divided over idle workers: splitting tiny batches costs more than it gains.
  public var minimumShardRows = 8
  /// How long the oldest request may wait for batch mates while a worker is free, in microseconds.
  public var maximumQueueDelayMicroseconds = 0
  /// The deadline of requests that bring none, in milliseconds. 0: no deadline.
  public var requestTimeoutMilliseconds = 60_000

  /// Bytes that one model's weights may take in memory; larger models are refused at load.
  public var maximumModelMemoryBytes = 8 << 30
  /// Bytes that the values of one run may take together; requests that need more are refused.
  public var maximumRunBytes = 4 << 30

  // MARK: Protocol limits

  /// Bytes of one inference request's body after decompression.
  public var maximumInferenceBodyBytes = 64 << 20
  /// Bytes of any other JSON body.
  public var maximumJSONBodyBytes = 1 << 20
  /// Nesting of arrays and objects in a JSON body.
  public var maximumJSONDepth = 64

  // MARK: Uploads

  /// Bytes of one uploaded file after decompression.
  public var maximumModelBytes = 4 << 30
  /// Bytes of one uploaded dataset, and of its arrays once unpacked.
  public var maximumDatasetBytes = 1 << 30
  /// Uploads that may be open at once.
  public var maximumConcurrentUploads = 16
  /// Free bytes that must stay on the models' and the data's file system; uploads stop before.
  public var minimumFreeDiskBytes = 256 << 20
  /// Versions that one model may have.
  public var maximumVersionsPerModel = 100
  /// Files that one version may have, external data included.
  public var maximumFilesPerVersion = 256
  /// Models that the repository may hold.
  public var maximumModels = 1000
  /// Datasets that may be stored.
  public var maximumDatasets = 1000

  // MARK: Jobs

  /// Compression jobs that run at once.
  public var concurrentJobs = 1
  /// Jobs that may wait; one more is refused with `.overloaded`.
  public var maximumQueuedJobs = 64
  /// Finished jobs that stay listed; older ones are forgotten.
  public var maximumFinishedJobs = 1000
  /// Address space of a job's process in bytes. 0: no limit.
  public var jobMemoryBytes = 8 << 30
  /// Wall-clock seconds that a job may take.
  public var jobTimeLimitSeconds = 3600
  /// Seconds between the polite and the final signal when a job is cancelled or out of time.
  public var jobKillGraceSeconds = 5
  /// Seconds that a search has to finish with the best found so far when its job is deleted.
  public var jobStopGraceSeconds = 60
  /// Scheduling priority of a job's process (0…19), so that serving goes first.
  public var jobNiceness = 10
  /// Bytes of the report that a job may write.
  public var maximumReportBytes = 16 << 20
  /// Seconds that the result of a one-call compression waits to be fetched.
  public var resultRetentionSeconds = 600

  public init(modelsDirectory: String, dataDirectory: String) {
    self.modelsDirectory = modelsDirectory
    self.dataDirectory = dataDirectory
  }
}
