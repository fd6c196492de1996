import ONNXFormat
import Tensors

/// Where an export puts the elements of initializers.
protocol TensorStorage {
  func message(_ tensor: Tensor, name: String) throws(GraphError) -> Onnx_TensorProto
}

/// In the model's own bytes.
struct InlineTensors: TensorStorage {
  func message(_ tensor: Tensor, name: String) -> Onnx_TensorProto {
    TensorEncoder.message(tensor, name: name)
  }
}

/// In one file beside the model, each tensor at a multiple of the page size, so that it can be mapped.
final class ExternalTensors: TensorStorage {
  /// Smaller tensors stay in the model: shapes and axes are wanted without the second file.
  private static let minimumBytes = 1024
  private static let alignment = 4096

  private let location: String
  private var file: AtomicFile?

  init(path: String) throws(GraphError) {
    location = path.split(separator: "/").last.map(String.init) ?? path
    do throws(FileError) {
      file = try AtomicFile(path: path)
    } catch {
      throw .file("\(error)")
    }
  }

  func message(_ tensor: Tensor, name: String) throws(GraphError) -> Onnx_TensorProto {
    if tensor.byteCount < Self.minimumBytes { return TensorEncoder.message(tensor, name: name) }
    let offset = try append(tensor)
    return TensorEncoder.external(tensor, name: name, location: location, offset: offset)
  }

  func commit() throws(GraphError) {
    do throws(FileError) {
      try file.take()?.commit()
    } catch {
      throw .file("\(error)")
    }
  }

  private func append(_ tensor: Tensor) throws(GraphError) -> Int {
    do throws(FileError) {
      try file?.align(to: Self.alignment)
      let offset = file?.count ?? 0
      try tensor.withUnalignedBytes { bytes throws(FileError) in try file?.append(bytes) }
      return offset
    } catch {
      throw .file("\(error)")
    }
  }
}
