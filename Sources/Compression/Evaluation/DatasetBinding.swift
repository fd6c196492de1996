import Engine
import GraphIR
import Tensors

/// A dataset in the form that one program takes: arrays in input order, converted, cut into batches.
struct DatasetBinding {
  /// How rows of the dataset become calls.
  enum Batching: Equatable {
    /// The leading axis is open: any number of rows a call.
    case open
    /// The leading axis is fixed: so many rows a call, the last call filled up with the last row.
    case fixed(Int)
    /// The model has no batch axis: one row a call, its axis dropped.
    case single
  }

  private let arrays: [Tensor]
  let rows: Int
  let batching: Batching

  /// - Throws: `CompressionError.dataset` naming the array that is missing or does not fit.
  init(_ dataset: Dataset, _ ports: [Port]) throws(CompressionError) {
    var arrays: [Tensor] = []
    var batching: Batching?
    for port in ports {
      guard let array = dataset.arrays[port.name] else {
        if port.isOptional {
          throw .dataset("the model's optional input '\(port.name)' is not in the dataset")
        }
        let names = dataset.arrays.keys.sorted().joined(separator: ", ")
        throw .dataset("the dataset has no array '\(port.name)'; it has \(names)")
      }
      let own = try Self.batching(of: array, port)
      if let batching, batching != own {
        throw .dataset("array '\(port.name)' and the one before it have their rows on different axes")
      }
      batching = own
      arrays.append(try Self.converted(array, port))
    }
    guard let batching else { throw .dataset("the model has no inputs") }
    self.arrays = arrays
    self.batching = batching
    rows = dataset.rows
  }

  /// Ranges of rows for calls of about `size` rows that together cover the dataset once.
  func batches(of size: Int) -> [Range<Int>] {
    let step =
      switch batching {
      case .open: max(size, 1)
      case .fixed(let extent): extent
      case .single: 1
      }
    return stride(from: 0, to: rows, by: step).map { $0..<min($0 + step, rows) }
  }

  /// The inputs of one call. With a fixed batch fewer rows are filled up with the last one, and rows beyond
  /// `range` of the outputs mean nothing.
  func inputs(_ range: Range<Int>) throws(CompressionError) -> [Tensor] {
    var inputs: [Tensor] = []
    for array in arrays {
      var rows = try array.rows(range)
      if case .fixed(let extent) = batching, range.count < extent {
        rows = try rows.gatheringRows((0..<extent).map { min($0, range.count - 1) })
      }
      if batching == .single { rows = try rows.droppingLeadingAxis() }
      inputs.append(rows)
    }
    return inputs
  }

  /// The inputs of one call whose rows are those of the dataset over and over: for timing.
  func repeatedInputs(rows count: Int) throws(CompressionError) -> [Tensor] {
    if batching != .open { return try inputs(batches(of: 1)[0]) }
    var inputs: [Tensor] = []
    for array in arrays { inputs.append(try array.gatheringRows((0..<count).map { $0 % rows })) }
    return inputs
  }

  private static func batching(of array: Tensor, _ port: Port) throws(CompressionError) -> Batching {
    guard let dimensions = port.dimensions else { return .open }
    let extents = array.shape.dimensions
    func fits(_ extents: ArraySlice<Int>, _ wanted: ArraySlice<Dimension>) -> Bool {
      extents.count == wanted.count && zip(extents, wanted).allSatisfy { $1.extent == nil || $1.extent == $0 }
    }
    if extents.count == dimensions.count, let leading = dimensions.first,
      fits(extents.dropFirst(), dimensions.dropFirst())
    {
      guard let extent = leading.extent else { return .open }
      if extent > 0 { return .fixed(extent) }
    }
    if fits(extents.dropFirst(), dimensions[...]) { return .single }
    let wanted = dimensions.map { dimension in
      switch dimension {
      case .known(let extent): String(extent)
      case .symbol(let name): name
      case .unknown: "?"
      }
    }
    throw .dataset(
      "array '\(port.name)' has shape \(array.shape); the model takes [\(wanted.joined(separator: ","))]")
  }

  /// numpy makes float64 and int64 by default: those are converted to what the model takes, when that loses nothing
  /// that the model could see.
  private static func converted(_ array: Tensor, _ port: Port) throws(CompressionError) -> Tensor {
    if array.type == port.element { return array }
    do {
      switch (array.type, port.element) {
      case (.float64, .float32):
        return try Tensor(shape: array.shape, array.array(of: Double.self).map(Float.init))
      case (.int32, .int64):
        return try Tensor(shape: array.shape, array.array(of: Int32.self).map(Int64.init))
      case (.int64, .int32):
        let narrow = array.array(of: Int64.self).compactMap(Int32.init(exactly:))
        if narrow.count == array.elementCount { return try Tensor(shape: array.shape, narrow) }
      default: break
      }
    } catch {
      throw .dataset("\(error)")
    }
    throw .dataset(
      "array '\(port.name)' holds \(array.type.name); the model takes \(port.element.name)")
  }
}

extension Tensor {
  /// The rows `indices` of the outermost axis.
  fileprivate func gatheringRows(_ indices: [Int]) throws(CompressionError) -> Tensor {
    var gathered = shape
    gathered[0] = indices.count
    let stride = shape.product(1..<shape.rank)
    do {
      if let strings {
        return try Tensor(
          shape: gathered, strings: indices.flatMap { strings[$0 * stride..<($0 + 1) * stride] })
      }
      var result = try Tensor(type: type, shape: gathered)
      let width = type.bitWidth / 8 * stride
      if width == 0 { return result }
      result.withMutableBytes { destination in
        withBytes { source in
          for (row, index) in indices.enumerated() {
            UnsafeMutableRawBufferPointer(rebasing: destination[row * width..<(row + 1) * width])
              .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[index * width..<(index + 1) * width]))
          }
        }
      }
      return result
    } catch {
      throw .dataset("\(error)")
    }
  }

  /// The only row of the outermost axis.
  fileprivate func droppingLeadingAxis() throws(CompressionError) -> Tensor {
    do {
      return try reshaped(to: Shape(Array(shape.dimensions.dropFirst())))
    } catch {
      throw .dataset("\(error)")
    }
  }
}
