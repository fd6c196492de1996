public import ONNXFormat
import Tensors

extension Model {
  /// The model in the file at `path`; tensors with external data are read from files in the same directory.
  ///
  /// Large tensors stay in their files, which are mapped while the model, or what was compiled of it, lives: the files
  /// may be replaced or deleted, but not changed in place.
  /// - Throws: `GraphError`.
  public static func load(path: String, limits: LoadLimits = .init()) throws(GraphError) -> Model {
    let file: MappedFile
    do throws(FileError) {
      file = try FileBytes.map(path: path)
    } catch {
      throw .file("\(error)")
    }
    let decoded: (model: Onnx_ModelProto, weights: LiftedWeights)
    do throws(ONNXFormatError) {
      decoded = try ModelFile.decodeLifting(file.bytes, limits: limits)
    } catch {
      throw GraphError(error)
    }
    return try ModelImporter.model(
      decoded.model, decoder: TensorDecoder(directory: FileBytes.directory(of: path), limits: limits),
      weights: FileWeights(file: file, ranges: decoded.weights.ranges))
  }

  /// The model that `bytes` encode.
  /// - Parameter directory: where the files with external data lie; nil refuses models that have any.
  /// - Throws: `GraphError`.
  public static func load(
    bytes: [UInt8], directory: String? = nil, limits: LoadLimits = .init()
  ) throws(GraphError) -> Model {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(GraphError) in try load(bytes, directory: directory, limits: limits) }
    }
    return try result.get()
  }

  private static func load(
    _ bytes: UnsafeRawBufferPointer, directory: String?, limits: LoadLimits
  ) throws(GraphError) -> Model {
    let message: Onnx_ModelProto
    do throws(ONNXFormatError) {
      message = try ModelFile.decode(bytes, limits: limits)
    } catch {
      throw GraphError(error)
    }
    return try ModelImporter.model(
      consume message, decoder: TensorDecoder(directory: directory, limits: limits))
  }
}

extension GraphError {
  init(_ error: ONNXFormatError) {
    switch error {
    case .invalidTensor(let tensor, let reason): self = .invalidTensor(name: tensor, reason: reason)
    case .externalData(let tensor, let reason):
      self = .invalidTensor(name: tensor, reason: "external data: \(reason)")
    case .unknownElementType(let tensor, let number):
      self = .invalidTensor(name: tensor, reason: "unknown element type \(number)")
    default: self = .file("\(error)")
    }
  }
}
