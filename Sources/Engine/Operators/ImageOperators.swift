import GraphIR
import Tensors

extension EngineTable {
  static let imageOperators: [OperatorEntry] = [
    OperatorEntry(dynamic: "ImageDecoder") { source in
      try source.element(0, in: [.uint8])
      return ImageDecoderOperator(format: try ImageDecoderAttributes(source.node).format)
    }
  ]
}

/// `ImageDecoder`: the pixels of a PNG, JPEG, BMP, PNM or TIFF file. A damaged file gives an empty image, as ONNX
/// says; a format that is not read is an error.
struct ImageDecoderOperator: DynamicOperator {
  let format: ImageDecoderAttributes.Format

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    guard let tensor = inputs.first??.tensor, tensor.type == .uint8, tensor.shape.rank == 1 else {
      throw OperatorFailure.invalid("input 0 must be the bytes of a file, uint8 on one axis")
    }
    do {
      let picture = try Self.decode(tensor.array(of: UInt8.self), limit: context.memoryLimit)
      return [.tensor(try pixels(of: picture, context.memoryLimit))]
    } catch ImageFailure.damaged {
      return [.tensor(try Tensor(shape: [0, 0, format.channels], [UInt8]()))]
    } catch ImageFailure.unsupported(let kind) {
      throw OperatorFailure.unsupported("\(kind) is not supported")
    } catch ImageFailure.tooLarge(let bytes) {
      throw EngineError.memoryLimit(bytes: bytes, limit: context.memoryLimit)
    }
  }

  static func decode(_ file: [UInt8], limit: Int) throws(ImageFailure) -> Picture {
    let bytes = ImageBytes(bytes: file)
    if bytes.starts(with: PNGFormat.signature) { return try PNGFormat.decode(file, limit: limit) }
    if bytes.starts(with: JPEGFile.signature) { return try JPEGFile.decode(file, limit: limit) }
    if bytes.starts(with: BMPFormat.signature) { return try BMPFormat.decode(file, limit: limit) }
    if PNMFormat.matches(file) { return try PNMFormat.decode(file, limit: limit) }
    for signature in TIFFFormat.signatures where bytes.starts(with: signature) {
      return try TIFFFormat.decode(file, limit: limit)
    }
    for (name, signature, offset) in unsupported where bytes.starts(with: signature, at: offset) {
      throw .unsupported(name)
    }
    throw .damaged
  }

  private static let unsupported: [(String, [UInt8], Int)] = [
    ("WebP", [0x57, 0x45, 0x42, 0x50], 8), ("JPEG 2000", [0x6A, 0x50, 0x20, 0x20, 0x0D, 0x0A], 4),
    ("JPEG 2000", [0xFF, 0x4F, 0xFF, 0x51], 0), ("GIF", [0x47, 0x49, 0x46, 0x38], 0),
    ("PAM", [0x50, 0x37], 0),
  ]

  /// `[height, width, channels]`
  private func pixels(of picture: Picture, _ limit: Int) throws -> Tensor {
    let shape: Shape = [picture.height, picture.width, format.channels]
    if picture.samples == format.channels && format != .bgr {
      return try Tensor(shape: shape, picture.bytes)
    }
    try Picture.check(
      width: picture.width, height: picture.height, bytesPerPixel: format.channels, limit: limit)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(shape.elementCount)
    for pixel in 0..<(picture.width * picture.height) {
      let first = pixel * picture.samples
      let red = picture.bytes[first]
      let (green, blue) =
        picture.samples == 1 ? (red, red) : (picture.bytes[first + 1], picture.bytes[first + 2])
      switch format {
      case .rgb: bytes += [red, green, blue]
      case .bgr: bytes += [blue, green, red]
      case .grayscale: bytes.append(Picture.grey(red, green, blue))
      }
    }
    return try Tensor(shape: shape, bytes)
  }
}
