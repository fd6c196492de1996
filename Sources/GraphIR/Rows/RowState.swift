/// How a value depends on the batch.
enum RowState: Equatable, Sendable {
  /// The same for every batch, elements and extents.
  case shared
  /// The batch lies along `axis`: its extent is the batch size times `width`, and the i-th `width` entries along it
  /// follow from row i of the inputs alone, in the same way for each i. No other extent depends on the batch size.
  case rows(axis: Int, width: Extent)
  /// An integer scalar or vector made of extents; nil for an element that depends on the batch size in a way that
  /// is no product.
  case sizes([Extent?])
  /// Integers: along `axis` the place of each row in the batch, 0, 1, 2 …, and the same along all other axes. Good for
  /// nothing but picking from a row what belongs to it.
  case places(axis: Int)
  /// Tuples of indices along the last axis, of which the first is the row's place; rows lie along `axis`.
  case tuples(axis: Int)
  /// Extents as of rows, elements that depend on the place in the batch: only the shape may be asked for.
  case extentsOnly(axis: Int, width: Extent)

  /// True when nothing in it changes with the batch.
  var isShared: Bool {
    switch self {
    case .shared: true
    case .rows, .places, .tuples, .extentsOnly: false
    case .sizes(let elements): elements.allSatisfy { $0?.isFree ?? false }
    }
  }
}

extension RowState {
  /// The axis along which the extent is the batch size times `width`.
  var place: (axis: Int, width: Extent)? {
    switch self {
    case .rows(let axis, let width), .extentsOnly(let axis, let width): (axis, width)
    case .places(let axis), .tuples(let axis): (axis, .one)
    case .shared, .sizes: nil
    }
  }

  /// The same elements with the batch along another axis; nil when they are not to be moved.
  func moved(to axis: Int) -> RowState? {
    switch self {
    case .rows(_, let width): .rows(axis: axis, width: width)
    case .places: .places(axis: axis)
    default: nil
    }
  }
}

/// Why the rows of a batch depend on each other, or may.
public struct RowMixing: Error {
  let reason: String
  public init(_ reason: String) { self.reason = reason }
}

/// How one operator passes rows on: sets the states of the outputs.
/// - Throws: `RowMixing`, or `GraphError` for attributes of a wrong type.
public typealias RowRule = @Sendable (inout RowContext) throws -> Void
