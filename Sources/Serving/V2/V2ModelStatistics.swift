/// What a model version has done, in the V2 statistics extension's form.
enum V2ModelStatistics {
  /// - Parameter memory: bytes that the version holds for its runs; nil when it is not loaded.
  static func json(_ statistics: ModelStatistics, memory: Int?) -> JSONValue {
    [
      "name": .string(statistics.model), "version": .string(String(statistics.version)),
      "last_inference": .int(statistics.lastInferenceMilliseconds),
      "inference_count": count(statistics.inferences), "execution_count": count(statistics.executions),
      "inference_stats": inferenceStatistics(statistics),
      "response_stats": [:],
      "batch_stats": .array(statistics.batchEntries.sorted { $0.key < $1.key }.map(batch)),
      "memory_usage": memory.map { [["type": "CPU", "id": 0, "byte_size": .int($0)]] } ?? [],
    ]
  }

  private static func inferenceStatistics(_ statistics: ModelStatistics) -> JSONValue {
    let successes = statistics.successes
    let failures = statistics.failures.reduce(0) { $0 + $1.value }
    return [
      "success": duration(successes, statistics.requestNanoseconds),
      "fail": duration(count: failures, nanoseconds: statistics.failureNanoseconds.value),
      "queue": duration(successes, statistics.queueNanoseconds),
      "compute_input": duration(successes, statistics.inputNanoseconds),
      "compute_infer": duration(successes, statistics.inferNanoseconds),
      "compute_output": duration(successes, statistics.outputNanoseconds),
      // Clients read both without asking whether there is a cache.
      "cache_hit": duration(count: 0, nanoseconds: 0),
      "cache_miss": duration(count: 0, nanoseconds: 0),
    ]
  }

  private static func batch(_ size: Int, _ entry: ModelStatistics.BatchEntry) -> JSONValue {
    func part(_ nanoseconds: Int) -> JSONValue {
      duration(count: UInt64(entry.count), nanoseconds: UInt64(nanoseconds))
    }
    return [
      "batch_size": .int(size), "compute_input": part(entry.times.input),
      "compute_infer": part(entry.times.infer), "compute_output": part(entry.times.output),
    ]
  }

  private static func count(_ counter: Counter) -> JSONValue { .int(Int(clamping: counter.value)) }

  private static func duration(_ counter: Counter, _ nanoseconds: Counter) -> JSONValue {
    duration(count: counter.value, nanoseconds: nanoseconds.value)
  }

  private static func duration(count: UInt64, nanoseconds: UInt64) -> JSONValue {
    ["count": .int(Int(clamping: count)), "ns": .int(Int(clamping: nanoseconds))]
  }
}
