/// Every endpoint of the server. A new one is one file and one line here.
enum Endpoints {
  static let all: [Route] =
    IndexEndpoint.routes + HealthEndpoints.routes + ServerMetadataEndpoint.routes + LoggingEndpoint.routes
    + ModelMetadataEndpoints.routes + ModelConfigurationEndpoint.routes + ModelStatisticsEndpoints.routes
    + InferEndpoint.routes + ModelControlEndpoints.routes + ModelUploadEndpoint.routes
    + ModelFileEndpoints.routes + ModelDeletionEndpoint.routes + DatasetEndpoints.routes
    + CompressEndpoint.routes + OneCallCompressEndpoint.routes + EvaluateEndpoint.routes
    + ReportEndpoint.routes + JobEndpoints.routes + JobEventsEndpoint.routes + MetricsEndpoint.routes
}
