import Tensors

/// Tensors as the binary tensor extension lays them out: little endian, row major, no padding; a BYTES element
/// is its length as uint32 and then its bytes.
enum V2BinaryTensor {
  /// - Throws: `.invalidInput` unless `bytes` are exactly the elements of `shape`.
  static func decode(
    _ bytes: ArraySlice<UInt8>, type: ElementType, shape: Shape, input: String
  ) throws(ServingError) -> Tensor {
    guard let elements = shape.checkedElementCount, let expected = type.byteCount(elements: elements) else {
      throw .invalidInput(name: input, reason: "shape \(shape) has too many elements")
    }
    if type == .string { return try decodeStrings(bytes, elements, shape, input) }
    if expected != bytes.count {
      throw .invalidInput(
        name: input,
        reason: "unexpected total byte size \(bytes.count), expecting \(expected) for shape \(shape)")
    }
    do {
      var tensor = try bytes.withUnsafeBytes { try Tensor(type: type, shape: shape, copying: $0) }
      if type == .bool {
        // Any other byte would be no valid `Bool`.
        tensor.withMutableBytes { for index in $0.indices { $0[index] = $0[index] == 0 ? 0 : 1 } }
      }
      return tensor
    } catch {
      throw .invalidInput(name: input, reason: "\(error)")
    }
  }

  private static func decodeStrings(
    _ bytes: ArraySlice<UInt8>, _ count: Int, _ shape: Shape, _ input: String
  ) throws(ServingError) -> Tensor {
    // Every element takes its length at least, so that the shape cannot ask for more than was sent.
    if count > bytes.count / 4 {
      throw .invalidInput(name: input, reason: "shape \(shape) needs \(count) elements, more than were sent")
    }
    var strings: [String] = []
    strings.reserveCapacity(count)
    var rest = bytes
    while strings.count < count {
      guard rest.count >= 4 else {
        throw .invalidInput(name: input, reason: "element \(strings.count) is cut off")
      }
      let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(4)
      guard length <= rest.count else {
        throw .invalidInput(
          name: input, reason: "element \(strings.count) claims \(length) bytes, \(rest.count) are left")
      }
      guard let string = String(validating: rest.prefix(length), as: UTF8.self) else {
        throw .invalidInput(name: input, reason: "element \(strings.count) is not valid UTF-8")
      }
      strings.append(string)
      rest = rest.dropFirst(length)
    }
    if !rest.isEmpty {
      throw .invalidInput(
        name: input, reason: "\(rest.count) bytes follow the \(count) elements of shape \(shape)")
    }
    do throws(TensorError) { return try Tensor(shape: shape, strings: strings) } catch {
      throw .invalidInput(name: input, reason: "\(error)")
    }
  }

  /// How many bytes `append` adds.
  static func byteCount(of tensor: Tensor) -> Int {
    guard let strings = tensor.strings else { return tensor.byteCount }
    return strings.reduce(0) { $0 + 4 + $1.utf8.count }
  }

  static func append(_ tensor: Tensor, to bytes: inout [UInt8]) {
    guard let strings = tensor.strings else {
      tensor.withBytes { bytes.append(contentsOf: $0) }
      return
    }
    for string in strings {
      // A string that came in by JSON is below the body limit, far from 4 GiB.
      withUnsafeBytes(of: UInt32(string.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
      bytes.append(contentsOf: string.utf8)
    }
  }
}
