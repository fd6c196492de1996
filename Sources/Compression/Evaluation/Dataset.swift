import Tensors

/// Samples for calibration or evaluation: arrays named like the model's inputs, one row a sample, and
/// optionally their labels. Arrays that a model does not ask for are left alone.
public struct Dataset: Sendable {
  public let arrays: [String: Tensor]
  /// Class indexes `[rows]`, or targets of the first output's shape; nil when there are none.
  public let labels: Tensor?
  public let rows: Int

  public static let labelsName = "labels"

  /// The arrays of an `.npz` file.
  /// - Throws: `CompressionError.dataset`.
  public init(path: String, maximumBytes: Int = Npz.defaultMaximumBytes) throws(CompressionError) {
    do {
      try self.init(try Npz.read(path: path, maximumBytes: maximumBytes))
    } catch let error as TensorError {
      throw .dataset("\(error)")
    } catch let error as CompressionError {
      throw error
    } catch {
      throw .dataset("\(error)")
    }
  }

  /// - Throws: `CompressionError.dataset` when there is no array, an array has no rows, or the numbers of rows
  ///   differ.
  public init(_ arrays: [(name: String, tensor: Tensor)]) throws(CompressionError) {
    var named: [String: Tensor] = [:]
    var rows: Int?
    for (name, tensor) in arrays {
      guard let extent = tensor.shape.dimensions.first, extent > 0 else {
        throw .dataset("array '\(name)' has no rows: its shape is \(tensor.shape)")
      }
      if let rows, rows != extent {
        throw .dataset("array '\(name)' has \(extent) rows, the others have \(rows)")
      }
      rows = extent
      named[name] = tensor
    }
    labels = named.removeValue(forKey: Self.labelsName)
    guard let rows, !named.isEmpty else { throw .dataset("the dataset has no input arrays") }
    self.arrays = named
    self.rows = rows
  }

  private init(arrays: [String: Tensor], labels: Tensor?, rows: Int) {
    self.arrays = arrays
    self.labels = labels
    self.rows = rows
  }

  /// The first `count` rows, or all when there are fewer.
  public func prefix(_ count: Int) throws(CompressionError) -> Dataset {
    if count >= rows { return self }
    var cut: [String: Tensor] = [:]
    for (name, tensor) in arrays { cut[name] = try tensor.rows(0..<count) }
    return Dataset(arrays: cut, labels: try labels?.rows(0..<count), rows: count)
  }

  /// The class index of every row; nil when the labels are no integers `[rows]` or `[rows, 1]`.
  public var classLabels: [Int]? { labels?.elementCount == rows ? labelIntegers : nil }

  /// All labels, row-major: one for each row, or one for each position of each row. Nil when they are no integers.
  var labelIntegers: [Int]? {
    guard let labels, labels.type.isInteger else { return nil }
    switch labels.type {
    case .int64: return labels.array(of: Int64.self).map(Int.init)
    case .int32: return labels.array(of: Int32.self).map(Int.init)
    case .int16: return labels.array(of: Int16.self).map(Int.init)
    case .int8: return labels.array(of: Int8.self).map(Int.init)
    case .uint64: return labels.array(of: UInt64.self).map { Int(clamping: $0) }
    case .uint32: return labels.array(of: UInt32.self).map(Int.init)
    case .uint16: return labels.array(of: UInt16.self).map(Int.init)
    case .uint8: return labels.array(of: UInt8.self).map(Int.init)
    default: return nil
    }
  }
}

extension Tensor {
  /// A copy of the rows `range` of the outermost axis.
  /// - Precondition: the elements are not packed below a byte, and `range` lies inside.
  func rows(_ range: Range<Int>) throws(CompressionError) -> Tensor {
    var cut = shape
    cut[0] = range.count
    let stride = shape.product(1..<shape.rank)
    do {
      if let strings {
        return try Tensor(
          shape: cut, strings: Array(strings[range.lowerBound * stride..<range.upperBound * stride]))
      }
      let width = type.bitWidth / 8 * stride
      return try withBytes { bytes throws(TensorError) in
        try Tensor(
          type: type, shape: cut,
          copying: UnsafeRawBufferPointer(
            rebasing: bytes[range.lowerBound * width..<range.upperBound * width]))
      }
    } catch {
      throw .dataset("\(error)")
    }
  }
}
