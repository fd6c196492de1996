import FoundationEssentials

extension Job {
  /// The job as users see it: one JSON object with recipe and report embedded as they are, times in ISO 8601.
  public func json(includingReport: Bool = true) -> [UInt8] {
    var writer = JSONWriter()
    func member(_ name: String, _ text: String?, isText: Bool = true) {
      writer.bytes.append(UInt8(ascii: writer.bytes.isEmpty ? "{" : ","))
      writer.string(name)
      writer.bytes.append(UInt8(ascii: ":"))
      switch text {
      case nil: writer.literal("null")
      case let text? where isText: writer.string(text)
      case let text?: writer.bytes += Array(text.utf8)
      }
    }
    member("id", String(id), isText: false)
    member("kind", kind.rawValue)
    member("state", state.rawValue)
    member("progress", "\(progress)", isText: false)
    member("stage", stage)
    member("seconds_left", secondsLeft.map { "\(($0 * 10).rounded() / 10)" }, isText: false)
    member("created", Self.time(created))
    member("started", started.map(Self.time))
    member("finished", finished.map(Self.time))
    member("model", model)
    member("source_version", source.map(String.init), isText: false)
    member("version", version.map(String.init), isText: false)
    member("label", label)
    member("recipe", recipe, isText: false)
    member("error", error)
    if includingReport { member("report", report, isText: false) }
    writer.literal("}")
    return writer.bytes
  }

  private static func time(_ seconds: Double) -> String {
    Date(timeIntervalSince1970: seconds).formatted(.iso8601)
  }
}
