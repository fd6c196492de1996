import Tensors

/// Numbers tensors so that equal ones have one number.
package struct EqualTensors {
  /// What equal tensors have in common and unequal ones hardly ever.
  private struct Key: Hashable {
    private static let sampleBytes = 4096

    let type: ElementType
    let shape: Shape
    let sample: Int

    init(_ tensor: Tensor) {
      type = tensor.type
      shape = tensor.shape
      var hasher = Hasher()
      if let strings = tensor.strings { hasher.combine(strings) }
      // The whole of a large one would have to be read from its file.
      tensor.withUnalignedBytes {
        hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0.prefix(Self.sampleBytes)))
      }
      sample = hasher.finalize()
    }
  }

  /// The first of each, by number.
  package private(set) var tensors: [Tensor] = []
  private var numbers: [Key: [Int]] = [:]

  package init() {}

  package func number(of tensor: Tensor) -> Int? {
    numbers[Key(tensor)]?.first { tensors[$0] == tensor }
  }

  /// - Returns: the number of `tensor`: that of an equal one, or the next.
  package mutating func add(_ tensor: Tensor) -> Int {
    let key = Key(tensor)
    if let number = numbers[key]?.first(where: { tensors[$0] == tensor }) { return number }
    tensors.append(tensor)
    numbers[key, default: []].append(tensors.count - 1)
    return tensors.count - 1
  }
}
