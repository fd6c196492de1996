import Dispatch
import Glibc
import GraphIR
import HTTPTransport
import Logging
import Tensors
import Testing

@testable import Serving

/// A whole server in this process, on a port of its own, spoken to by curl.
final class TestServer: Sendable {
  let server: Server
  let directory: String

  /// One that the tests of a run share. None of them may stop it.
  static let shared = Result { try TestServer() }

  init(change: (inout ServingConfiguration) -> Void = { _ in }) throws {
    signal(SIGPIPE, SIG_IGN)
    directory = try RunDirectory.make()
    var configuration = ServingConfiguration(
      modelsDirectory: directory + "/models", dataDirectory: directory + "/state")
    configuration.workerThreads = 2
    configuration.minimumFreeDiskBytes = 0
    configuration.executablePath = directory + "/job"
    try writeFile(Array(Self.jobScript.utf8), to: configuration.executablePath, mode: 0o700)
    change(&configuration)
    var transport = TransportConfiguration()
    transport.host = "127.0.0.1"
    transport.port = 0
    var logger = Logger(label: "tests")
    logger.logLevel = .critical
    server = try Server(configuration: configuration, transport: transport, logger: logger)
    server.start()
    while !server.isReady { usleep(1000) }
  }

  /// Ends the server and waits for it.
  func stop() {
    let stopped = DispatchSemaphore(value: 0)
    server.drain(deadline: 5) { stopped.signal() }
    stopped.wait()
  }

  /// Stands in for the compression process: copies the model; fails, hangs or brings the report that lies beside it
  /// when the recipe's label says so.
  private static let jobScript = """
    #!/bin/sh
    model=$2; result=$3
    while [ $# -gt 0 ]; do
      case $1 in --report) report=$2 ;; --recipe) recipe=$2 ;; esac
      shift
    done
    echo '{"stage":"copy","progress":0.5}'
    if /bin/grep -q fail "$recipe"; then echo 'the step failed' >&2; exit 1; fi
    if /bin/grep -q hang "$recipe"; then exec /bin/sleep 60; fi
    /bin/cp "$model" "$result"
    if /bin/grep -q reported "$recipe"; then /bin/cp "${0%/*}/report.json" "$report"; exit 0; fi
    printf '%s\\n' '{"promote":true,' '' '"note":"copied"}' > "$report"
    """

  // MARK: Requests

  func url(_ path: String) -> String { "http://127.0.0.1:\(server.port)\(path)" }

  func curl(_ path: String, _ arguments: String..., input: [UInt8]? = nil) throws -> Curl {
    try Curl.run(url(path), arguments, input: input)
  }

  func get(_ path: String, _ arguments: String...) throws -> Curl { try Curl.run(url(path), arguments) }

  func post(_ path: String, _ body: String, _ arguments: String...) throws -> Curl {
    try Curl.run(url(path), ["-d", "@-"] + arguments, input: Array(body.utf8))
  }

  func put(_ path: String, _ body: [UInt8]) throws -> Curl {
    try Curl.run(url(path), ["-T", "-"], input: body)
  }

  func delete(_ path: String) throws -> Curl { try Curl.run(url(path), ["-X", "DELETE"]) }

  /// Uploads the test model under a name of the caller's own.
  func uploadModel(_ name: String) throws {
    let reply = try put("/v2/repository/models/\(name)", TestModel.bytes)
    try #require(reply.status == 201, "\(reply.text)")
  }

  /// The job's JSON once it has ended.
  func endedJob(_ location: String?) throws -> JSONValue {
    let location = try #require(location)
    for _ in 0..<1000 {
      let job = try get(location).json
      if let state = job["state"]?.string, state != "queued", state != "running" { return job }
      usleep(10_000)
    }
    throw Curl.Failure(exitCode: -1)
  }
}

extension Curl {
  var json: JSONValue { get throws { try JSONValue.parse(body, maximumDepth: 64) } }
  var error: String { (try? json["error"]?.string) ?? "no error in: \(text)" }
}

/// `y = x + [1, 2, 3, 4]`, `positive = max(x, 0)`; float32 `[batch, 4]`.
enum TestModel {
  static let bytes: [UInt8] = {
    var graph = Graph(name: "sum")
    let type = ValueType.tensor(TensorType(.float32, [.symbol("batch"), .known(4)]))
    let x = graph.addValue(Value(name: "x", type: type))
    let constant = try! Tensor(shape: [4], [1, 2, 3, 4] as [Float])
    let shift = graph.addValue(Value(name: "shift", constant: constant))
    let y = graph.addValue(Value(name: "y", type: type))
    let positive = graph.addValue(Value(name: "positive", type: type))
    graph.nodes = [
      Node(name: "add", op: "Add", inputs: [x, shift], outputs: [y]),
      Node(name: "relu", op: "Relu", inputs: [x], outputs: [positive]),
    ]
    graph.inputs = [x]
    graph.outputs = [y, positive]
    return try! Model(graph: graph, irVersion: 8, opsets: ["": 17]).serialized()
  }()

  /// An inference request of one row.
  static func request(_ values: [Float] = [1, 2, 3, -4], more: String = "") -> String {
    let data = values.map { "\($0)" }.joined(separator: ",")
    return
      #"{"inputs":[{"name":"x","shape":[\#(values.count / 4),4],"datatype":"FP32","data":[\#(data)]}]\#(more)}"#
  }
}
