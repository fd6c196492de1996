#if canImport(Glibc)
  import Glibc
#endif

/// A dense row-major array: an element type, a shape, and its elements.
///
/// A value type: copies share storage until one of them is written to. Elements of packed types
/// (int4, uint2 …) lie lowest bits first; `string` elements are kept as Swift strings.
public struct Tensor: Sendable {
  public let type: ElementType
  public private(set) var shape: Shape
  private var storage: Storage

  private enum Storage: Sendable {
    case buffer(AlignedBuffer)
    case mapped(MappedBytes)
    case strings([String])
  }

  /// A zero-filled tensor (empty strings for `string`).
  /// - Throws: `TensorError.invalidShape`, `.outOfMemory`.
  public init(type: ElementType, shape: Shape) throws(TensorError) {
    guard let count = shape.checkedElementCount, let bytes = type.byteCount(elements: count) else {
      throw .invalidShape(shape)
    }
    self.type = type
    self.shape = shape
    if type == .string {
      storage = .strings([String](repeating: "", count: count))
    } else {
      storage = .buffer(try AlignedBuffer(byteCount: bytes))
    }
  }

  /// A tensor that holds a copy of `bytes`, which must be exactly as many as `shape` needs.
  /// - Throws: `TensorError.byteCountMismatch`, `.invalidShape`, `.outOfMemory`.
  public init(type: ElementType, shape: Shape, copying bytes: UnsafeRawBufferPointer) throws(TensorError) {
    guard let count = shape.checkedElementCount, let needed = type.byteCount(elements: count) else {
      throw .invalidShape(shape)
    }
    if needed != bytes.count || type == .string {
      throw .byteCountMismatch(expected: needed, actual: bytes.count)
    }
    try self.init(type: type, shape: shape)
    withMutableBytes { $0.copyMemory(from: bytes) }
  }

  /// A tensor whose elements are the bytes `range` of `file`, which stays mapped while the tensor, or a copy of it,
  /// lives. They may lie at any alignment; what needs more than `withUnalignedBytes` gets a copy.
  /// - Precondition: `range` lies within the file.
  /// - Throws: `TensorError.byteCountMismatch`, `.invalidShape`.
  public init(type: ElementType, shape: Shape, mapped file: MappedFile, _ range: Range<Int>)
    throws(TensorError)
  {
    guard let count = shape.checkedElementCount, let needed = type.byteCount(elements: count) else {
      throw .invalidShape(shape)
    }
    // Any byte will do for a number; it would not for a Bool.
    if needed != range.count || type == .string || type == .bool {
      throw .byteCountMismatch(expected: needed, actual: range.count)
    }
    self.type = type
    self.shape = shape
    storage = .mapped(MappedBytes(file, range))
  }

  /// A tensor of `elements` in row-major order.
  /// - Throws: `TensorError.elementCountMismatch`, `.invalidShape`, `.outOfMemory`.
  public init<Element: TensorElement>(shape: Shape, _ elements: [Element]) throws(TensorError) {
    guard let count = shape.checkedElementCount else { throw .invalidShape(shape) }
    if count != elements.count {
      throw .elementCountMismatch(expected: count, actual: elements.count)
    }
    try self.init(type: Element.elementType, shape: shape)
    withMutableBytes { destination in elements.withUnsafeBytes { destination.copyMemory(from: $0) } }
  }

  /// A tensor of strings in row-major order.
  /// - Throws: `TensorError.elementCountMismatch`, `.invalidShape`.
  public init(shape: Shape, strings: [String]) throws(TensorError) {
    guard let count = shape.checkedElementCount else { throw .invalidShape(shape) }
    if count != strings.count { throw .elementCountMismatch(expected: count, actual: strings.count) }
    self.type = .string
    self.shape = shape
    self.storage = .strings(strings)
  }

  /// A rank-0 tensor.
  public init<Element: TensorElement>(scalar: Element) throws(TensorError) {
    try self.init(shape: .scalar, [scalar])
  }

  public var elementCount: Int { shape.elementCount }

  /// Bytes of the elements; 0 for `string`.
  public var byteCount: Int {
    switch storage {
    case .buffer(let buffer): buffer.count
    case .mapped(let mapped): mapped.count
    case .strings: 0
    }
  }

  /// The elements of a `string` tensor; nil for other types.
  public var strings: [String]? {
    if case .strings(let strings) = storage { strings } else { nil }
  }

  /// Calls `body` with the elements' bytes (empty for `string`), 64-byte aligned.
  @inlinable
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    let buffer = self.buffer
    defer { withExtendedLifetime(buffer) {} }
    return try body(
      UnsafeRawBufferPointer(buffer?.bytes ?? UnsafeMutableRawBufferPointer(start: nil, count: 0)))
  }

  /// Calls `body` with the elements' bytes (empty for `string`) where they lie, which may be at any alignment.
  public func withUnalignedBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R
  {
    guard case .mapped(let mapped) = storage else { return try withBytes(body) }
    defer { withExtendedLifetime(mapped) {} }
    return try body(mapped.bytes)
  }

  /// Says that the elements will not be read again soon: those of a mapped file give their memory back.
  public func releasePages() {
    if case .mapped(let mapped) = storage { mapped.releasePages() }
  }

  /// Calls `body` with the elements' bytes for writing; copies them first when they are shared.
  public mutating func withMutableBytes<R, E: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    if case .mapped(let mapped) = storage { storage = .buffer(copy(of: mapped.bytes)) }
    guard case .buffer(var buffer) = storage else {
      return try body(UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }
    storage = .strings([])  // so that `buffer` alone holds the block when nobody shares it
    if !isKnownUniquelyReferenced(&buffer) { buffer = copy(of: UnsafeRawBufferPointer(buffer.bytes)) }
    storage = .buffer(buffer)
    return try body(buffer.bytes)
  }

  /// Calls `body` with the elements as `Element`s.
  /// - Precondition: `type` is `Element`'s type.
  @inlinable
  public func withElements<Element: TensorElement, R, E: Error>(
    _: Element.Type = Element.self, _ body: (UnsafeBufferPointer<Element>) throws(E) -> R
  ) throws(E) -> R {
    precondition(type == Element.elementType, "tensor read as another type than its own")
    return try withBytes { bytes throws(E) -> R in try body(bytes.bindMemory(to: Element.self)) }
  }

  /// Calls `body` with the elements as `Element`s for writing; copies them first when they are shared.
  /// - Precondition: `type` is `Element`'s type.
  @inlinable
  public mutating func withMutableElements<Element: TensorElement, R, E: Error>(
    _: Element.Type = Element.self, _ body: (UnsafeMutableBufferPointer<Element>) throws(E) -> R
  ) throws(E) -> R {
    precondition(type == Element.elementType, "tensor written as another type than its own")
    return try withMutableBytes { bytes throws(E) -> R in try body(bytes.bindMemory(to: Element.self)) }
  }

  /// The elements in row-major order.
  /// - Precondition: `type` is `Element`'s type.
  public func array<Element: TensorElement>(of _: Element.Type = Element.self) -> [Element] {
    withElements(Element.self) { Array($0) }
  }

  /// The same elements under another shape.
  /// - Throws: `TensorError.elementCountMismatch`, `.invalidShape`.
  public func reshaped(to shape: Shape) throws(TensorError) -> Tensor {
    guard let count = shape.checkedElementCount else { throw .invalidShape(shape) }
    if count != elementCount { throw .elementCountMismatch(expected: elementCount, actual: count) }
    var result = self
    result.shape = shape
    return result
  }

  /// The block that holds the elements, for code that keeps a tensor's memory alive by reference;
  /// nil for `string`. Read it, never write through it.
  public var buffer: AlignedBuffer? {
    switch storage {
    case .buffer(let buffer): buffer
    case .mapped(let mapped): mapped.buffer
    case .strings: nil
    }
  }

  private func copy(of bytes: UnsafeRawBufferPointer) -> AlignedBuffer {
    guard let result = try? AlignedBuffer(byteCount: bytes.count) else {
      preconditionFailure("out of memory while copying a tensor of \(bytes.count) bytes")
    }
    result.bytes.copyMemory(from: bytes)
    return result
  }
}

extension Tensor: Equatable {
  /// Equal in type, shape and bits: NaN equals the same NaN, and 0 differs from -0.
  public static func == (left: Tensor, right: Tensor) -> Bool {
    if left.type != right.type || left.shape != right.shape { return false }
    if left.type == .string { return left.strings == right.strings }
    return left.withUnalignedBytes { a in
      right.withUnalignedBytes { b in
        a.count == b.count && (a.isEmpty || memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0)
      }
    }
  }
}
