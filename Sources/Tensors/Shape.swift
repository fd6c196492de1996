/// The extents of a tensor, outermost first. An empty shape is a scalar with one element.
public struct Shape: Sendable, Hashable, ExpressibleByArrayLiteral, CustomStringConvertible {
  public var dimensions: [Int]

  public init(_ dimensions: [Int]) { self.dimensions = dimensions }
  public init(arrayLiteral elements: Int...) { self.dimensions = elements }

  public static let scalar = Shape([])

  @inlinable public var rank: Int { dimensions.count }

  @inlinable public subscript(axis: Int) -> Int {
    get { dimensions[axis] }
    set { dimensions[axis] = newValue }
  }

  /// The number of elements. Only for shapes that `checkedElementCount` has accepted before.
  @inlinable public var elementCount: Int {
    var count = 1
    for extent in dimensions { count *= extent }
    return count
  }

  /// The number of elements, or nil when an extent is negative or the product overflows.
  public var checkedElementCount: Int? {
    var count = 1
    for extent in dimensions {
      if extent < 0 { return nil }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      count = product
    }
    return count
  }

  /// Row-major strides, counted in elements.
  public var strides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    var step = 1
    for axis in stride(from: rank - 1, through: 0, by: -1) {
      strides[axis] = step
      step *= max(dimensions[axis], 1)
    }
    return strides
  }

  /// The axis that `axis` (negative counts from the end) names; nil when out of range.
  public func axis(_ axis: Int) -> Int? {
    let resolved = axis < 0 ? axis + rank : axis
    return (0..<rank).contains(resolved) ? resolved : nil
  }

  /// The product of the extents in `range`.
  public func product(_ range: Range<Int>) -> Int { dimensions[range].reduce(1, *) }

  /// The shape that numpy broadcasting gives for `self` and `other`; nil when they do not fit.
  public func broadcast(with other: Shape) -> Shape? {
    let rank = max(self.rank, other.rank)
    var result = [Int](repeating: 1, count: rank)
    for axis in 0..<rank {
      let left = axis < rank - self.rank ? 1 : dimensions[axis - (rank - self.rank)]
      let right = axis < rank - other.rank ? 1 : other.dimensions[axis - (rank - other.rank)]
      if left != right && left != 1 && right != 1 { return nil }
      result[axis] = left == 1 ? right : left
    }
    return Shape(result)
  }

  public var description: String { "[" + dimensions.map(String.init).joined(separator: ",") + "]" }
}
