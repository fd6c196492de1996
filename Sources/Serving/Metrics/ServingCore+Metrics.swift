extension ServingCore {
  /// Every metric in Prometheus' text format. Asks the database: keep it off event loops.
  /// - Parameter more: writes further families.
  public func metricsText(_ more: (inout PrometheusText) -> Void = { _ in }) -> [UInt8] {
    var text = PrometheusText()
    ModelMetricsText.write(metrics.all, repository.readyServables, to: &text)
    jobs(&text)
    uploads(&text)
    process(&text)
    more(&text)
    return text.bytes
  }

  private func jobs(_ text: inout PrometheusText) {
    let counts = (try? jobs.store.counts()) ?? [:]
    text.family("adze_jobs", .gauge, "Compression jobs that wait or run.")
    for state in [JobState.queued, .running] {
      text.sample("adze_jobs", [(name: "state", value: state.rawValue)], UInt64(counts[state] ?? 0))
    }
    text.family("adze_jobs_total", .counter, "Compression jobs that ended, by outcome.")
    let ended: [(JobState, Counter)] = [
      (.done, metrics.jobs.done), (.failed, metrics.jobs.failed), (.cancelled, metrics.jobs.cancelled),
      (.interrupted, metrics.jobs.interrupted),
    ]
    for (state, counter) in ended {
      text.sample("adze_jobs_total", [(name: "state", value: state.rawValue)], counter.value)
    }
    text.family("adze_job_duration_seconds", .histogram, "Seconds per compression job that ran.")
    text.histogram("adze_job_duration_seconds", [], metrics.jobs.seconds)
  }

  private func uploads(_ text: inout PrometheusText) {
    text.family("adze_uploads_total", .counter, "Uploads of models, files and datasets, by outcome.")
    text.sample("adze_uploads_total", [(name: "result", value: "stored")], metrics.uploads.stored.value)
    text.sample("adze_uploads_total", [(name: "result", value: "failed")], metrics.uploads.failed.value)
    text.family("adze_upload_bytes_total", .counter, "Bytes received in uploads.")
    text.sample("adze_upload_bytes_total", [], metrics.uploads.bytes.value)
  }

  private func process(_ text: inout PrometheusText) {
    let usage = ProcessUsage.current()
    text.family("process_resident_memory_bytes", .gauge, "Bytes of this process in physical memory.")
    text.sample("process_resident_memory_bytes", [], UInt64(usage.residentBytes))
    text.family("process_cpu_seconds_total", .counter, "Seconds of processor time that this process used.")
    text.sample("process_cpu_seconds_total", [], usage.cpuSeconds)
    text.family("adze_worker_threads", .gauge, "Compute threads.")
    text.sample("adze_worker_threads", [], UInt64(workers.threads))
  }
}
