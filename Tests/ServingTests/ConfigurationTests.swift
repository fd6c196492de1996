import Testing

@testable import Serving

@Suite struct ConfigurationTests {
  private let valid = ServingConfiguration(modelsDirectory: "/m", dataDirectory: "/d")

  @Test func defaultsAreValid() throws { try valid.validate() }

  @Test func everyNumberIsChecked() throws {
    let changes: [(String, (inout ServingConfiguration) -> Void)] = [
      ("workerThreads", { $0.workerThreads = -1 }),
      ("maximumBatchSize", { $0.maximumBatchSize = 0 }),
      ("maximumQueueDelayMicroseconds", { $0.maximumQueueDelayMicroseconds = -5 }),
      ("maximumJSONDepth", { $0.maximumJSONDepth = 100_000 }),
      ("jobNiceness", { $0.jobNiceness = 20 }),
      ("concurrentJobs", { $0.concurrentJobs = 0 }),
      ("maximumModelBytes", { $0.maximumModelBytes = 0 }),
      ("dataDirectory", { $0.dataDirectory = "/m" }),
      ("modelsDirectory", { $0.modelsDirectory = "" }),
    ]
    for (setting, change) in changes {
      var configuration = valid
      change(&configuration)
      let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
      #expect(error?.setting == setting)
    }
    var configuration = valid
    configuration.maximumBatchSize = 0
    let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
    #expect(error?.description == "maximumBatchSize: 0 is not in 1…65536")
  }

  @Test func pathsBecomeAbsolute() {
    let relative = ServingConfiguration(modelsDirectory: "data/models/", dataDirectory: "data")
      .withAbsolutePaths()
    #expect(relative.modelsDirectory.hasPrefix("/"))
    #expect(relative.modelsDirectory.hasSuffix("/data/models"))
    #expect(valid.withAbsolutePaths() == valid)
  }

  @Test(arguments: ["a", "A9._-", "0", String(repeating: "x", count: 128)])
  func goodNames(name: String) throws { try ResourceName.check(name) }

  @Test(arguments: [
    "", ".", "..", ".hidden", "-x", "_x", "a/b", "a\\b", "a b", "ä", "a\u{0}", "a\n",
    String(repeating: "x", count: 129),
    "%2e%2e",
  ])
  func badNames(name: String) {
    #expect(throws: ServingError.invalidName(name)) { try ResourceName.check(name) }
  }

  @Test func versions() throws {
    #expect(try ResourceName.version("12") == 12)
    for text in ["", "0", "-1", "+1", "1x", "1.0", "９", "1234567890", " 1"] {
      #expect(throws: ServingError.invalidName(text)) { try ResourceName.version(text) }
    }
  }
}
