public import Tensors

/// Files that hold one value of any kind, as in the test cases of ONNX: a `TensorProto`, `SequenceProto`,
/// `MapProto` or `OptionalProto` (https://github.com/onnx/onnx/blob/main/onnx/onnx-data.proto).
public enum ValueFile {
  public enum Kind: Sendable {
    case tensor, sequence, map, optional
  }

  /// - Parameter kind: of the value; the files do not say it themselves.
  /// - Throws: `ONNXFormatError`.
  public static func read(
    path: String, kind: Kind, limits: LoadLimits = .init()
  ) throws(ONNXFormatError) -> RuntimeValue {
    let file = try ModelFile.map(path: path)
    defer { withExtendedLifetime(file) {} }
    return try read(bytes: file.bytes, kind: kind, limits: limits)
  }

  /// - Throws: `ONNXFormatError`.
  public static func read(
    bytes: UnsafeRawBufferPointer, kind: Kind, limits: LoadLimits = .init()
  ) throws(ONNXFormatError) -> RuntimeValue {
    try read(bytes, kind, limits, depth: 0)
  }

  private static func read(
    _ bytes: UnsafeRawBufferPointer, _ kind: Kind, _ limits: LoadLimits, depth: Int
  ) throws(ONNXFormatError) -> RuntimeValue {
    if depth > limits.depth { throw .tooDeep(limit: limits.depth) }
    switch kind {
    case .tensor: return .tensor(try TensorFile.read(bytes: bytes, limits: limits))
    case .sequence: return .sequence(try elements(bytes, limits, depth: depth))
    case .map: return try map(bytes, limits, depth: depth)
    case .optional: return .optional(try elements(bytes, limits, depth: depth).last)
    }
  }

  /// The values in the fields that both messages number alike.
  private static func elements(
    _ bytes: UnsafeRawBufferPointer, _ limits: LoadLimits, depth: Int
  ) throws(ONNXFormatError) -> [RuntimeValue] {
    var fields = FieldReader(bytes: bytes)
    var values: [RuntimeValue] = []
    while let field = try fields.next() {
      let kind: Kind
      switch field.number {
      case 3: kind = .tensor
      case 5: kind = .sequence
      case 6: kind = .map
      case 7: kind = .optional
      case 4: throw .malformed("sparse tensors as elements of a value are not supported")
      default: continue
      }
      if values.count == limits.messages { throw .tooManyMessages(limit: limits.messages) }
      values.append(try read(field.bytes, kind, limits, depth: depth + 1))
    }
    return values
  }

  /// A map of scalars. Keys may come in any order.
  private static func map(
    _ bytes: UnsafeRawBufferPointer, _ limits: LoadLimits, depth: Int
  ) throws(ONNXFormatError) -> RuntimeValue {
    var fields = FieldReader(bytes: bytes)
    var integers: [Int] = []
    var strings: [String] = []
    var values: [Tensor] = []
    while let field = try fields.next(packed: 3) {
      switch field.number {
      case 3: integers += try FieldReader.integers(field.bytes)
      case 4: strings.append(String(decoding: field.bytes, as: UTF8.self))
      case 5:
        guard case .sequence(let elements) = try read(field.bytes, .sequence, limits, depth: depth + 1) else {
          continue
        }
        values += elements.compactMap(\.tensor)
      default: continue
      }
    }
    return try MapAssembly.map(integers: integers, strings: strings, values)
  }
}

/// Walks the fields of one protobuf message.
private struct FieldReader {
  let bytes: UnsafeRawBufferPointer
  var position = 0

  init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The next length-delimited field; nil at the end. Numbers are skipped, but for those of field `packed`, which come
  /// as if they were a packed list of one.
  mutating func next(packed: UInt64? = nil) throws(ONNXFormatError) -> (
    number: UInt64, bytes: UnsafeRawBufferPointer
  )? {
    while position < bytes.count {
      let tag = try integer()
      switch tag & 7 {
      case 0:
        let start = position
        _ = try integer()
        if tag >> 3 == packed { return (tag >> 3, UnsafeRawBufferPointer(rebasing: bytes[start..<position])) }
      case 1: try skip(8)
      case 2:
        let length = try integer()
        if length > UInt64(bytes.count - position) { throw .malformed("a field is longer than its message") }
        let start = position
        position += Int(length)
        return (tag >> 3, UnsafeRawBufferPointer(rebasing: bytes[start..<position]))
      case 5: try skip(4)
      default: throw .malformed("wire type \(tag & 7)")
      }
    }
    return nil
  }

  /// The numbers of a packed list of int64.
  static func integers(_ bytes: UnsafeRawBufferPointer) throws(ONNXFormatError) -> [Int] {
    var reader = FieldReader(bytes: bytes)
    var values: [Int] = []
    while reader.position < bytes.count { values.append(Int(truncatingIfNeeded: try reader.integer())) }
    return values
  }

  private mutating func skip(_ count: Int) throws(ONNXFormatError) {
    if count > bytes.count - position { throw .malformed("truncated") }
    position += count
  }

  private mutating func integer() throws(ONNXFormatError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      if position >= bytes.count { throw .malformed("truncated") }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw .malformed("an integer of more than ten bytes")
  }
}
