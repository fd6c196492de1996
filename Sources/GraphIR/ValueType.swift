import Tensors

/// One extent of a tensor whose shape is not, or not wholly, known before a run.
public enum Dimension: Sendable, Hashable {
  case known(Int)
  /// A name such as `batch`: equal names in one graph stand for equal extents.
  case symbol(String)
  case unknown

  public var extent: Int? { if case .known(let extent) = self { extent } else { nil } }
}

/// Element type and, as far as known, extents of a tensor; `dimensions` is nil when even the rank is unknown.
public struct TensorType: Sendable, Hashable {
  public var element: ElementType
  public var dimensions: [Dimension]?

  public init(_ element: ElementType, _ dimensions: [Dimension]?) {
    self.element = element
    self.dimensions = dimensions
  }

  public init(_ element: ElementType, shape: Shape) {
    self.init(element, shape.dimensions.map(Dimension.known))
  }

  /// The shape when every extent is known.
  public var shape: Shape? {
    guard let dimensions else { return nil }
    var extents: [Int] = []
    for dimension in dimensions {
      guard let extent = dimension.extent else { return nil }
      extents.append(extent)
    }
    return Shape(extents)
  }
}

/// The type of a value that flows along an edge of the graph.
public indirect enum ValueType: Sendable, Hashable {
  case tensor(TensorType)
  case sparseTensor(TensorType)
  case sequence(ValueType)
  case optional(ValueType)
  case map(key: ElementType, value: ValueType)
  /// A type that only the runtime which wrote the model understands.
  case opaque(domain: String, name: String)

  public var tensor: TensorType? { if case .tensor(let type) = self { type } else { nil } }
}
