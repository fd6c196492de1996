public import Tensors

/// Files that hold one tensor: a `TensorProto`, as in the test cases of ONNX (`input_0.pb`).
public enum TensorFile {
  /// - Throws: `ONNXFormatError`.
  public static func read(path: String, limits: LoadLimits = .init()) throws(ONNXFormatError) -> Tensor {
    let file = try ModelFile.map(path: path)
    defer { withExtendedLifetime(file) {} }
    return try read(bytes: file.bytes, limits: limits)
  }

  /// - Throws: `ONNXFormatError`.
  public static func read(
    bytes: UnsafeRawBufferPointer, limits: LoadLimits = .init()
  ) throws(ONNXFormatError) -> Tensor {
    let message: Onnx_TensorProto = try ModelFile.decode(bytes, as: .tensor, limits: limits)
    var decoder = TensorDecoder(directory: nil, limits: limits)
    return try decoder.tensor(message)
  }

  /// The bytes of a file that holds `tensor`.
  public static func bytes(of tensor: Tensor, name: String = "") throws(ONNXFormatError) -> [UInt8] {
    try ModelFile.encode(TensorEncoder.message(tensor, name: name))
  }
}
