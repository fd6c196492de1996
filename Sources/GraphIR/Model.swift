/// A graph with what an ONNX file says about it: versions, origin, local functions.
public struct Model: Sendable {
  public var graph: Graph
  public var irVersion: Int
  /// Operator-set version by domain (`""` is ai.onnx).
  public var opsets: [String: Int]
  public var functions: [Function] = []
  public var producerName = ""
  public var producerVersion = ""
  public var domain = ""
  public var modelVersion = 0
  public var documentation = ""
  public var metadata: [MetadataEntry] = []
  /// ONNX `TrainingInfoProto` messages, carried through unread.
  public var trainingInfo: [[UInt8]] = []
  /// ONNX `DeviceConfigurationProto` messages, carried through unread.
  public var deviceConfigurations: [[UInt8]] = []

  public init(graph: Graph, irVersion: Int, opsets: [String: Int]) {
    self.graph = graph
    self.irVersion = irVersion
    self.opsets = opsets
  }
}

/// An operator that the model defines itself: ONNX `FunctionProto`.
public struct Function: Sendable {
  public var op: OperatorName
  public var overload = ""
  /// The body; its inputs and outputs are the function's.
  public var body: Graph
  public var attributeNames: [String] = []
  public var defaultAttributes: Attributes = [:]
  public var opsets: [String: Int] = [:]

  public init(op: OperatorName, body: Graph) {
    self.op = op
    self.body = body
  }
}

extension Model {
  /// The IR versions that can be read.
  public static let irVersions = 3...13
  /// The versions of domain ai.onnx that can be read.
  public static let opsetVersions = 1...27
  /// The domain of classical machine learning, and its versions that can be read. They share one form.
  public static let classicalDomain = "ai.onnx.ml"
  public static let classicalOpsetVersions = 1...5
}
