/// numpy's file format for one array: all numeric types, bool and strings; never pickled objects.
public enum Npy {
  /// The array in `bytes`. Big-endian and Fortran-ordered files are converted; `<U` and `|S` become `string`.
  /// - Throws: `TensorError.malformedFile`, `.byteCountMismatch` when the elements are cut off or bytes follow
  ///   them, `.invalidShape`, `.outOfMemory`.
  public static func decode(_ bytes: UnsafeRawBufferPointer) throws(TensorError) -> Tensor {
    let header = try NpyHeader(parsing: bytes)
    let count = header.shape.elementCount
    let (needed, overflow) = count.multipliedReportingOverflow(by: header.format.stride)
    let elements = UnsafeRawBufferPointer(rebasing: bytes[header.byteCount...])
    if overflow { throw .invalidShape(header.shape) }
    if elements.count != needed { throw .byteCountMismatch(expected: needed, actual: elements.count) }
    // Elements of no bytes (`<U0`) would let a tiny file claim any number of strings.
    if header.format.stride == 0, count > 0 { throw .malformedFile("npy elements of zero bytes") }

    // A Fortran-ordered array is the transpose of the C-ordered one with the extents reversed.
    let stored = header.isFortranOrder ? Shape(header.shape.dimensions.reversed()) : header.shape
    var tensor: Tensor
    switch header.format.kind {
    case .numeric(let type): tensor = try numeric(type, stored, elements, header.format.isBigEndian)
    case .unicode: tensor = try unicode(stored, elements, header.format)
    case .bytes: tensor = try byteStrings(stored, elements, header.format)
    }
    if header.isFortranOrder && header.shape.rank > 1 { tensor = try reversingAxes(tensor) }
    return tensor
  }

  /// The bytes of a `.npy` file (format 1.0, little endian, C order) that holds `tensor`.
  /// - Throws: `TensorError.malformedFile` for element types that numpy does not have.
  public static func encode(_ tensor: Tensor) throws(TensorError) -> [UInt8] {
    if let strings = tensor.strings { return encode(strings: strings, shape: tensor.shape) }
    guard let descriptor = NpyElementFormat.descriptor(of: tensor.type) else {
      throw .malformedFile("numpy has no \(tensor.type.name) elements")
    }
    var bytes = NpyHeader.encoded(descriptor: descriptor, shape: tensor.shape)
    tensor.withBytes { bytes.append(contentsOf: $0) }
    return bytes
  }

  private static func encode(strings: [String], shape: Shape) -> [UInt8] {
    let width = max(1, strings.map(\.unicodeScalars.count).max() ?? 1)
    var bytes = NpyHeader.encoded(descriptor: "<U\(width)", shape: shape)
    bytes.reserveCapacity(bytes.count + strings.count * width * 4)
    for string in strings {
      var scalars = 0
      for scalar in string.unicodeScalars {
        withUnsafeBytes(of: scalar.value.littleEndian) { bytes.append(contentsOf: $0) }
        scalars += 1
      }
      bytes.append(contentsOf: repeatElement(0, count: (width - scalars) * 4))
    }
    return bytes
  }

  private static func numeric(
    _ type: ElementType, _ shape: Shape, _ bytes: UnsafeRawBufferPointer, _ isBigEndian: Bool
  ) throws(TensorError) -> Tensor {
    var tensor = try Tensor(type: type, shape: shape, copying: bytes)
    if type == .bool {
      // Any other bit pattern than 0 and 1 is not a valid Bool.
      tensor.withMutableBytes { bytes in
        for index in bytes.indices where bytes[index] > 1 { bytes[index] = 1 }
      }
    }
    if isBigEndian {
      let isComplex = type == .complex64 || type == .complex128
      let width = type.bitWidth / (isComplex ? 16 : 8)
      tensor.withMutableBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: width) { bytes[start..<start + width].reverse() }
      }
    }
    return tensor
  }

  private static func unicode(
    _ shape: Shape, _ bytes: UnsafeRawBufferPointer, _ format: NpyElementFormat
  ) throws(TensorError) -> Tensor {
    var strings: [String] = []
    strings.reserveCapacity(shape.elementCount)
    for start in stride(from: 0, to: bytes.count, by: format.stride) {
      var scalars = String.UnicodeScalarView()
      for offset in stride(from: start, to: start + format.stride, by: 4) {
        let raw = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        guard let scalar = Unicode.Scalar(format.isBigEndian ? raw.bigEndian : raw.littleEndian) else {
          throw .malformedFile("npy string holds a code point that is not valid")
        }
        scalars.append(scalar)
      }
      while scalars.last?.value == 0 { scalars.removeLast() }
      strings.append(String(scalars))
    }
    return try Tensor(shape: shape, strings: strings)
  }

  private static func byteStrings(
    _ shape: Shape, _ bytes: UnsafeRawBufferPointer, _ format: NpyElementFormat
  ) throws(TensorError) -> Tensor {
    var strings: [String] = []
    strings.reserveCapacity(shape.elementCount)
    for start in stride(from: 0, to: bytes.count, by: format.stride) {
      var element = bytes[start..<start + format.stride]
      while element.last == 0 { element.removeLast() }
      guard let string = String(validating: element, as: UTF8.self) else {
        throw .malformedFile("npy byte string is not UTF-8")
      }
      strings.append(string)
    }
    return try Tensor(shape: shape, strings: strings)
  }

  /// `tensor` with its axes in reverse order.
  private static func reversingAxes(_ tensor: Tensor) throws(TensorError) -> Tensor {
    let shape = Shape(tensor.shape.dimensions.reversed())
    // Position in `tensor` of each element of the result, walked like an odometer.
    let steps = Array(tensor.shape.strides.reversed())
    var sources = [Int](repeating: 0, count: shape.elementCount)
    var index = [Int](repeating: 0, count: shape.rank)
    var source = 0
    for element in sources.indices {
      sources[element] = source
      for axis in (0..<shape.rank).reversed() {
        index[axis] += 1
        source += steps[axis]
        if index[axis] < shape[axis] { break }
        source -= index[axis] * steps[axis]
        index[axis] = 0
      }
    }
    if let strings = tensor.strings {
      return try Tensor(shape: shape, strings: sources.map { strings[$0] })
    }
    var result = try Tensor(type: tensor.type, shape: shape)
    let width = tensor.type.bitWidth / 8
    result.withMutableBytes { destination in
      tensor.withBytes { bytes in
        for (element, source) in sources.enumerated() {
          for byte in 0..<width { destination[element * width + byte] = bytes[source * width + byte] }
        }
      }
    }
    return result
  }
}
