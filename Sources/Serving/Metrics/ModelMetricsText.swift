/// The metrics of models under the names that Triton gives them, so that its dashboards work.
enum ModelMetricsText {
  static func write(_ all: [ModelStatistics], _ servables: [Servable], to text: inout PrometheusText) {
    for family in counters {
      text.family(family.name, .counter, family.help)
      for model in all { text.sample(family.name, labels(model), family.value(model)) }
    }
    failures(all, &text)
    for family in histograms {
      text.family(family.name, .histogram, family.help)
      for model in all { text.histogram(family.name, labels(model), family.value(model)) }
    }
    gauges(servables, &text)
  }

  private static func labels(_ model: ModelStatistics) -> PrometheusText.Labels {
    [(name: "model", value: model.model), (name: "version", value: String(model.version))]
  }

  private struct CounterFamily: Sendable {
    let name: String
    let help: String
    let value: @Sendable (ModelStatistics) -> UInt64
  }

  private static let counters: [CounterFamily] = [
    .init(name: "nv_inference_request_success", help: "Requests answered with a result.") {
      $0.successes.value
    },
    .init(name: "nv_inference_count", help: "Rows that were run.") { $0.inferences.value },
    .init(name: "nv_inference_exec_count", help: "Runs, each of one batch.") { $0.executions.value },
    .init(
      name: "nv_inference_request_duration_us",
      help: "Time of successful requests, in the queue and computing."
    ) {
      $0.requestNanoseconds.value / 1000
    },
    .init(name: "nv_inference_queue_duration_us", help: "Time of successful requests in the queue.") {
      $0.queueNanoseconds.value / 1000
    },
    .init(name: "nv_inference_compute_input_duration_us", help: "Time spent gathering inputs.") {
      $0.inputNanoseconds.value / 1000
    },
    .init(name: "nv_inference_compute_infer_duration_us", help: "Time spent running the model.") {
      $0.inferNanoseconds.value / 1000
    },
    .init(name: "nv_inference_compute_output_duration_us", help: "Time spent splitting outputs.") {
      $0.outputNanoseconds.value / 1000
    },
  ]

  private static func failures(_ all: [ModelStatistics], _ text: inout PrometheusText) {
    let name = "nv_inference_request_failure"
    text.family(name, .counter, "Requests that got an error, by reason.")
    for model in all {
      for reason in FailureReason.allCases {
        text.sample(
          name, labels(model) + [(name: "reason", value: reason.label)], model.failures[reason.rawValue].value
        )
      }
    }
  }

  private struct HistogramFamily: Sendable {
    let name: String
    let help: String
    let value: @Sendable (ModelStatistics) -> Histogram
  }

  private static let histograms: [HistogramFamily] = [
    .init(name: "nv_inference_request_duration_histogram_us", help: "Microseconds per successful request.") {
      $0.requestDurations
    },
    .init(name: "nv_inference_queue_duration_histogram_us", help: "Microseconds per request in the queue.") {
      $0.queueDurations
    },
    .init(name: "nv_inference_compute_input_duration_histogram_us", help: "Microseconds per run, gathering.")
    {
      $0.inputDurations
    },
    .init(name: "nv_inference_compute_infer_duration_histogram_us", help: "Microseconds per run, computing.")
    {
      $0.inferDurations
    },
    .init(name: "nv_inference_compute_output_duration_histogram_us", help: "Microseconds per run, splitting.")
    {
      $0.outputDurations
    },
    .init(name: "adze_batch_size", help: "Rows per run.") { $0.batchSizes },
  ]

  private static func gauges(_ servables: [Servable], _ text: inout PrometheusText) {
    text.family("nv_inference_pending_request_count", .gauge, "Requests that wait for a worker.")
    for servable in servables {
      text.sample(
        "nv_inference_pending_request_count", labels(servable.statistics), UInt64(servable.waitingRequests))
    }
    text.family("nv_model_load_duration_secs", .gauge, "Seconds that the last load of the model took.")
    for servable in servables {
      text.sample("nv_model_load_duration_secs", labels(servable.statistics), servable.loadSeconds)
    }
    text.family("adze_model_arena_bytes", .gauge, "Bytes of the buffers that the model's runs keep.")
    for servable in servables {
      text.sample("adze_model_arena_bytes", labels(servable.statistics), UInt64(servable.arenaBytes))
    }
  }
}
