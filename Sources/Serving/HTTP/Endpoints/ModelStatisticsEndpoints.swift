import HTTPTransport

/// `GET …/stats`: counts and times of each version.
enum ModelStatisticsEndpoints {
  static let routes: [Route] = [
    .get("/v2/models/stats", .inline(all)),
    .get("/v2/models/{model}/stats", .inline(ofModel)),
    .get("/v2/models/{model}/versions/{version}/stats", .inline(ofModel)),
  ]

  private static func all(_ call: Call) -> Response { answer(call.core.repository.index(), call) }

  private static func ofModel(_ call: Call) throws(ServingError) -> Response {
    let name = try call.model()
    let version = try call.version()
    let entries = ((try? call.core.repository.versions(of: name)) ?? []).filter {
      version == nil || $0.version == version
    }
    // Not 404: this is the answer that Triton's clients know.
    if entries.isEmpty { throw .invalidRequest(reason: "requested model '\(name)' is not available") }
    return answer(entries, call)
  }

  private static func answer(_ entries: [ModelIndexEntry], _ call: Call) -> Response {
    let statistics = entries.map { entry in
      V2ModelStatistics.json(
        call.core.metrics.statistics(model: entry.name, version: entry.version),
        memory: (try? call.core.repository.servable(entry.name, version: entry.version))?.arenaBytes)
    }
    return .json(["model_stats": .array(statistics)])
  }
}
