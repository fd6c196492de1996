import FoundationEssentials
import Tensors

/// A stored dataset: named arrays with one row per sample.
public struct DatasetInfo: Sendable, Equatable {
  public struct Array: Codable, Sendable, Equatable {
    public let name: String
    /// `float32`, `int64` …
    public let type: String
    /// `[samples, …]`
    public let shape: [Int]
  }

  public let name: String
  /// Samples.
  public let rows: Int
  /// Of the file.
  public let bytes: Int
  /// Of the file; nil for bundled datasets.
  public let sha256: String?
  /// Seconds since 1970; nil for bundled datasets.
  public let created: Double?
  public let arrays: [Array]

  /// True for datasets that come with the server.
  public var isReadOnly: Bool { sha256 == nil }
}

/// Checks that a file is a dataset.
enum DatasetCheck {
  /// The file's arrays and their common number of rows.
  /// - Throws: `.invalidDataset` that says what is wrong.
  static func read(_ path: String, maximumBytes: Int) throws(ServingError) -> (
    rows: Int, arrays: [DatasetInfo.Array]
  ) {
    let members: [(name: String, tensor: Tensor)]
    do throws(TensorError) {
      members = try Npz.read(path: path, maximumBytes: maximumBytes)
    } catch {
      throw .invalidDataset(reason: "not a usable .npz file: \(error)")
    }
    guard let first = members.first else { throw .invalidDataset(reason: "the .npz file holds no arrays") }
    guard let rows = first.tensor.shape.dimensions.first, rows > 0 else {
      throw .invalidDataset(reason: "array '\(first.name)' has no samples on its first axis")
    }
    for (name, tensor) in members where tensor.shape.dimensions.first != rows {
      throw .invalidDataset(
        reason: "array '\(name)' has shape \(tensor.shape), but array '\(first.name)' has \(rows) samples")
    }
    let arrays = members.map { member in
      DatasetInfo.Array(
        name: member.name, type: member.tensor.type.name, shape: member.tensor.shape.dimensions)
    }
    return (rows, arrays)
  }
}
