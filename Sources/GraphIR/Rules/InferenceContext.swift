import Tensors

/// What a rule knows about one node, and where it puts the types of the outputs.
///
/// Used with symbolic extents when a model is loaded, and with concrete ones when the engine plans a run.
public struct InferenceContext {
  public let node: Node
  public private(set) var outputTypes: [ValueType?]
  /// For outputs that hold sizes (rank 0 or 1, integers): their elements as far as known. A reshape to
  /// `[batch, 12, 64]` keeps its symbol this way.
  public private(set) var outputElements: [[Dimension]?]

  private let inputTypes: [ValueType?]
  private let constants: [Tensor?]
  private let elements: [[Dimension]?]
  /// The type of a value of the enclosing graph that a sub-graph of this node captures.
  let captureType: (ValueID) -> ValueType?

  /// - Parameters:
  ///   - inputTypes: one for each input; nil for omitted or unknown.
  ///   - constants: one for each input; the elements when they are known.
  ///   - elements: one for each input; partly known elements of size vectors. May be empty.
  ///   - captureType: types of the enclosing graph's values, for operators with sub-graphs.
  public init(
    node: Node, inputTypes: [ValueType?], constants: [Tensor?], elements: [[Dimension]?] = [],
    captureType: @escaping (ValueID) -> ValueType? = { _ in nil }
  ) {
    self.node = node
    self.inputTypes = inputTypes
    self.constants = constants
    self.elements = elements
    self.captureType = captureType
    outputTypes = Array(repeating: nil, count: node.outputs.count)
    outputElements = Array(repeating: nil, count: node.outputs.count)
  }

  // MARK: Inputs

  /// The type of input `index`; nil when it is omitted or unknown.
  public func valueType(_ input: Int) -> ValueType? { input < inputTypes.count ? inputTypes[input] : nil }

  /// The type of input `index`; nil when it is omitted, unknown, or no tensor.
  public func type(_ input: Int) -> TensorType? { valueType(input)?.tensor }

  public func element(_ input: Int) -> ElementType? { type(input)?.element }

  /// The extents of input `index`; nil when not even the rank is known.
  public func dimensions(_ input: Int) -> [Dimension]? { type(input)?.dimensions }

  /// The shape of input `index` when all its extents are known.
  public func shape(_ input: Int) -> Shape? { type(input)?.shape }

  /// The elements of input `index` when they are known.
  public func constant(_ input: Int) -> Tensor? { input < constants.count ? constants[input] : nil }

  /// The elements of integer input `index` as far as known; nil when not even their number is.
  public func knownElements(_ input: Int) -> [Dimension]? {
    if let tensor = constant(input), let values = tensor.integers { return values.map(Dimension.known) }
    return input < elements.count ? elements[input] : nil
  }

  /// All elements of integer input `index`, in order; nil when one is not known.
  /// - Throws: `GraphError.invalidNode` when the input is not int32 or int64.
  public func integers(_ input: Int) throws(GraphError) -> [Int]? {
    if let element = element(input), element != .int64 && element != .int32 {
      throw error("input \(input) must be int64 or int32, not \(element.name)")
    }
    guard let known = knownElements(input) else { return nil }
    let values = known.compactMap(\.extent)
    return values.count == known.count ? values : nil
  }

  // MARK: Outputs

  public mutating func setOutput(_ output: Int, _ type: ValueType) {
    if output < outputTypes.count { outputTypes[output] = type }
  }

  public mutating func setOutput(_ output: Int, _ element: ElementType, _ dimensions: [Dimension]?) {
    setOutput(output, .tensor(TensorType(element, dimensions)))
  }

  /// Records what is known about the elements of a size vector or size scalar.
  public mutating func setElements(_ output: Int, _ elements: [Dimension]?) {
    if output < outputElements.count { outputElements[output] = elements }
  }

  public func error(_ reason: String) -> GraphError { node.error(reason) }

  /// Every extent must be usable and every result addressable.
  func checkOutputs() throws(GraphError) {
    for (index, type) in outputTypes.enumerated() {
      guard let tensor = type?.tensor, let dimensions = tensor.dimensions else { continue }
      if dimensions.count > TensorType.maximumRank {
        throw error(
          "output \(index) would have \(dimensions.count) axes, more than \(TensorType.maximumRank)")
      }
      for case .known(let extent) in dimensions where extent < 0 {
        throw error("output \(index) would have the extent \(extent)")
      }
      guard let shape = tensor.shape else { continue }
      guard let count = shape.checkedElementCount, tensor.element.byteCount(elements: count) != nil else {
        throw error("output \(index) of shape \(shape) has too many elements")
      }
    }
  }
}

extension Tensor {
  /// The elements of an int64 or int32 tensor; nil for other types.
  package var integers: [Int]? {
    switch type {
    case .int64: array(of: Int.self)
    case .int32: array(of: Int32.self).map(Int.init)
    default: nil
    }
  }
}
