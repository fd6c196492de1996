import Tensors

/// Names a value of one graph: an index into its `values`. `.none` stands for an omitted optional input or output.
public struct ValueID: Sendable, Hashable, Comparable {
  public let index: Int32

  public init(_ index: Int) { self.index = Int32(index) }

  public static let none = ValueID(-1)
  public var isNone: Bool { index < 0 }

  public static func < (left: ValueID, right: ValueID) -> Bool { left.index < right.index }
}

/// An edge of the graph: what a node, an input or a constant provides.
public struct Value: Sendable {
  /// Unique in its graph; kept from the file so that exports and messages use the user's names.
  public var name: String
  public var type: ValueType?
  /// The elements when they are known before any run: an initializer, or a result of constant folding.
  public var constant: Tensor?
  /// How `constant` was stored when the file kept it sparse, for export.
  public var sparseConstant: SparseTensor?
  public var annotations: ValueAnnotations?

  public init(name: String, type: ValueType? = nil, constant: Tensor? = nil) {
    self.name = name
    self.type = type
    self.constant = constant
  }

  /// A value that `constant` is.
  public init(name: String, constant: Tensor) {
    self.init(
      name: name, type: .tensor(TensorType(constant.type, shape: constant.shape)), constant: constant)
  }
}

/// What a file says about a value beyond its type; carried through to exports.
public struct ValueAnnotations: Sendable, Hashable {
  public var documentation = ""
  public var metadata: [MetadataEntry] = []
  /// What the tensor means, for example `IMAGE`.
  public var typeDenotation = ""
  /// What each axis means, for example `DATA_CHANNEL`; empty when no axis says so.
  public var dimensionDenotations: [String] = []

  public init() {}
}

/// A tensor stored as its non-zero elements: ONNX `SparseTensorProto`.
public struct SparseTensor: Sendable, Equatable {
  public var shape: Shape
  /// `[nonzeros]`
  public var values: Tensor
  /// int64, either `[nonzeros]` (linear) or `[nonzeros, rank]` (coordinates), ascending.
  public var indices: Tensor

  public init(shape: Shape, values: Tensor, indices: Tensor) {
    self.shape = shape
    self.values = values
    self.indices = indices
  }
}

/// An operator by its domain (`""` is ai.onnx) and type.
public struct OperatorName: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
  public var domain: String
  public var type: String

  public init(domain: String = "", type: String) {
    // Both spellings of the default domain occur in files.
    self.domain = domain == "ai.onnx" ? "" : domain
    self.type = type
  }

  /// `"Conv"`, or `"com.microsoft.FusedConv"`: the domain is all before the last dot.
  public init(stringLiteral text: String) {
    guard let dot = text.lastIndex(of: ".") else {
      self.init(type: text)
      return
    }
    self.init(domain: String(text[..<dot]), type: String(text[text.index(after: dot)...]))
  }

  public var description: String { domain.isEmpty ? type : "\(domain).\(type)" }
}

/// One application of an operator.
public struct Node: Sendable {
  public var name: String
  public var op: OperatorName
  public var inputs: [ValueID]
  public var outputs: [ValueID]
  public var attributes: Attributes
  public var documentation: String = ""
  /// Tells apart functions of one name: ONNX `NodeProto.overload`.
  public var overload: String = ""
  public var metadata: [MetadataEntry] = []
  /// ONNX `NodeDeviceConfigurationProto` messages, carried through unread.
  public var deviceConfigurations: [[UInt8]] = []

  public init(
    name: String = "", op: OperatorName, inputs: [ValueID], outputs: [ValueID], attributes: Attributes = [:]
  ) {
    self.name = name
    self.op = op
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
  }
}

/// A value of the enclosing graph that a sub-graph reads: inside, `inner` stands for the enclosing `outer`.
public struct Capture: Sendable, Hashable {
  public var outer: ValueID
  public var inner: ValueID

  public init(outer: ValueID, inner: ValueID) {
    self.outer = outer
    self.inner = inner
  }
}

/// A computation: nodes in an order in which every value is provided before it is read.
///
/// Values and nodes lie in flat arrays and refer to each other by index, so that walking a graph costs no
/// reference counting. Graphs are changed through `GraphPatch`.
public struct Graph: Sendable {
  public var name: String
  public var documentation: String = ""
  public var values: [Value] = []
  public var nodes: [Node] = []
  /// In declaration order. An input that also has a `constant` is optional: the constant is its default.
  public var inputs: [ValueID] = []
  public var outputs: [ValueID] = []
  /// Only in sub-graphs.
  public var captures: [Capture] = []
  public var metadata: [MetadataEntry] = []
  public var quantizationAnnotations: [QuantizationAnnotation] = []

  public init(name: String) { self.name = name }

  public subscript(id: ValueID) -> Value {
    get { values[Int(id.index)] }
    set { values[Int(id.index)] = newValue }
  }

  /// Adds a value and returns its id.
  public mutating func addValue(_ value: Value) -> ValueID {
    values.append(value)
    return ValueID(values.count - 1)
  }

  /// How messages call `node`: its name or, when it has none, its first output's.
  public func label(of node: Node) -> String {
    if !node.name.isEmpty { return node.name }
    guard let output = node.outputs.first(where: { !$0.isNone }) else { return "" }
    return self[output].name
  }

  /// The inputs that a caller must provide: those without a default.
  public var requiredInputs: [ValueID] { inputs.filter { self[$0].constant == nil } }

  /// The constant elements of `id`; nil when it has none, or when a caller may override them.
  public func constant(_ id: ValueID) -> Tensor? {
    if id.isNone || inputs.contains(id) { return nil }
    return self[id].constant
  }
}

/// A key and value of ONNX `metadata_props`.
public struct MetadataEntry: Sendable, Hashable {
  public var key: String
  public var value: String

  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}

/// Names the values that hold the quantization parameters of another value: ONNX `TensorAnnotation`.
///
/// By name, because the values may have gone by the time the graph is exported: then the annotation goes too.
public struct QuantizationAnnotation: Sendable, Hashable {
  public var valueName: String
  /// Key, for example `SCALE_TENSOR`, and the name of the value that holds the parameter.
  public var parameters: [MetadataEntry]

  public init(valueName: String, parameters: [MetadataEntry]) {
    self.valueName = valueName
    self.parameters = parameters
  }
}
