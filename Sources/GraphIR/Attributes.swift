import Tensors

/// The value of one node attribute: ONNX `AttributeProto`.
public enum Attribute: Sendable {
  case int(Int)
  case float(Float)
  case string(String)
  /// A string attribute whose bytes are not UTF-8, such as a compiled blob of some execution provider.
  case bytes([UInt8])
  case tensor(Tensor)
  case sparseTensor(SparseTensor)
  case graph(Graph)
  case type(ValueType)
  case ints([Int])
  case floats([Float])
  case strings([String])
  case tensors([Tensor])
  case sparseTensors([SparseTensor])
  case graphs([Graph])
  case types([ValueType])
  /// Inside a function body: the attribute of the calling node that takes this one's place.
  case reference(name: String, kind: AttributeKind)
}

/// The kinds of attribute values, with the numbers that ONNX `AttributeProto.AttributeType` gives them.
public enum AttributeKind: Int, Sendable, Hashable {
  case float = 1, int, string, tensor, graph, floats, ints, strings, tensors, graphs
  case sparseTensor, sparseTensors, type, types
}

/// A node's attributes by name, in file order.
public struct Attributes: Sendable, ExpressibleByDictionaryLiteral {
  public private(set) var entries: [(name: String, value: Attribute)]
  /// Documentation by attribute name, for the few files that have it.
  public var documentation: [String: String] = [:]
  /// The names that tensors have of their own, by attribute name, for the files that give them any.
  public var tensorNames: [String: String] = [:]

  public init(dictionaryLiteral elements: (String, Attribute)...) {
    entries = elements.map { (name: $0.0, value: $0.1) }
  }

  public subscript(name: String) -> Attribute? {
    get { entries.first { $0.name == name }?.value }
    set {
      let position = entries.firstIndex { $0.name == name }
      switch (position, newValue) {
      case (let position?, let value?): entries[position].value = value
      case (let position?, nil): entries.remove(at: position)
      case (nil, let value?): entries.append((name: name, value: value))
      case (nil, nil): break
      }
    }
  }

  public func int(_ name: String) -> Int? { if case .int(let value)? = self[name] { value } else { nil } }
  public func float(_ name: String) -> Float? {
    if case .float(let value)? = self[name] { value } else { nil }
  }
  public func string(_ name: String) -> String? {
    if case .string(let value)? = self[name] { value } else { nil }
  }
  public func ints(_ name: String) -> [Int]? { if case .ints(let value)? = self[name] { value } else { nil } }
  public func floats(_ name: String) -> [Float]? {
    if case .floats(let value)? = self[name] { value } else { nil }
  }
  public func strings(_ name: String) -> [String]? {
    if case .strings(let value)? = self[name] { value } else { nil }
  }
  public func tensor(_ name: String) -> Tensor? {
    if case .tensor(let value)? = self[name] { value } else { nil }
  }
  public func graph(_ name: String) -> Graph? {
    if case .graph(let value)? = self[name] { value } else { nil }
  }
}
