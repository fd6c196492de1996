import Tensors

/// Typed reading of a node's attributes: an absent one gives the default, one of another type is an error.
extension Node {
  public func int(_ name: String, default fallback: Int) throws(GraphError) -> Int {
    try optionalInt(name) ?? fallback
  }

  public func optionalInt(_ name: String) throws(GraphError) -> Int? {
    switch attributes[name] {
    case nil: return nil
    case .int(let value)?: return value
    case _?: throw wrongType(name, "an integer")
    }
  }

  public func requiredInt(_ name: String) throws(GraphError) -> Int {
    guard let value = try optionalInt(name) else { throw error("attribute '\(name)' is required") }
    return value
  }

  /// An integer attribute that stands for true (not 0) or false.
  public func flag(_ name: String, default fallback: Bool = false) throws(GraphError) -> Bool {
    try int(name, default: fallback ? 1 : 0) != 0
  }

  public func float(_ name: String, default fallback: Float) throws(GraphError) -> Float {
    try optionalFloat(name) ?? fallback
  }

  public func optionalFloat(_ name: String) throws(GraphError) -> Float? {
    switch attributes[name] {
    case nil: return nil
    case .float(let value)?: return value
    case _?: throw wrongType(name, "a float")
    }
  }

  public func string(_ name: String, default fallback: String) throws(GraphError) -> String {
    try optionalString(name) ?? fallback
  }

  public func optionalString(_ name: String) throws(GraphError) -> String? {
    switch attributes[name] {
    case nil: return nil
    case .string(let value)?: return value
    case _?: throw wrongType(name, "a string")
    }
  }

  /// A string attribute that must be one of the cases of `Choice`.
  public func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, default fallback: Choice
  ) throws(GraphError) -> Choice where Choice.RawValue == String {
    guard let text = try optionalString(name) else { return fallback }
    if let value = Choice(rawValue: text) { return value }
    let allowed = Choice.allCases.map(\.rawValue).joined(separator: ", ")
    throw error("attribute '\(name)' is '\(text)', not one of \(allowed)")
  }

  public func ints(_ name: String) throws(GraphError) -> [Int]? {
    switch attributes[name] {
    case nil: return nil
    case .ints(let values)?: return values
    // A writer that has no element to tell the type by leaves an empty list of another kind.
    case .floats(let values)? where values.isEmpty: return []
    case .strings(let values)? where values.isEmpty: return []
    case _?: throw wrongType(name, "a list of integers")
    }
  }

  public func floats(_ name: String) throws(GraphError) -> [Float]? {
    switch attributes[name] {
    case nil: return nil
    case .floats(let values)?: return values
    case .ints(let values)? where values.isEmpty: return []
    case _?: throw wrongType(name, "a list of floats")
    }
  }

  public func strings(_ name: String) throws(GraphError) -> [String]? {
    switch attributes[name] {
    case nil: return nil
    case .strings(let values)?: return values
    case .ints(let values)? where values.isEmpty: return []
    case _?: throw wrongType(name, "a list of strings")
    }
  }

  public func tensor(_ name: String) throws(GraphError) -> Tensor? {
    switch attributes[name] {
    case nil: return nil
    case .tensor(let value)?: return value
    case _?: throw wrongType(name, "a tensor")
    }
  }

  public func graph(_ name: String) throws(GraphError) -> Graph {
    guard case .graph(let value)? = attributes[name] else {
      throw error("attribute '\(name)' must be a graph")
    }
    return value
  }

  /// An attribute that holds the ONNX number of an element type (`to`, `dtype` …).
  public func elementType(_ name: String) throws(GraphError) -> ElementType? {
    guard let number = try optionalInt(name) else { return nil }
    guard let type = ElementType(onnxNumber: number) else {
      throw error("attribute '\(name)' is \(number), which is no element type")
    }
    return type
  }

  private func wrongType(_ name: String, _ expected: String) -> GraphError {
    error("attribute '\(name)' must be \(expected)")
  }
}
