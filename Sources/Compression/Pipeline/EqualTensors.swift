import Tensors

/// Numbers tensors so that equal ones have one number.
struct EqualTensors {
  /// What equal tensors have in common and unequal ones hardly ever.
  private struct Key: Hashable {
    private static let sampleBytes = 4096

    let type: ElementType
    let shape: Shape
    let sample: [UInt8]

    init(_ tensor: Tensor) {
      type = tensor.type
      shape = tensor.shape
      sample = tensor.withUnalignedBytes { Array($0.prefix(Self.sampleBytes)) }
    }
  }

  /// By number, with the name that each was added under first.
  private(set) var tensors: [Tensor] = []
  private(set) var names: [String] = []
  /// How many graphs hold the tensor, as the caller counts them.
  var holders: [Int] = []
  private var numbers: [Key: [Int]] = [:]

  /// The numbers of those that more than one graph holds.
  var repeated: Set<Int> { Set(holders.indices.filter { holders[$0] > 1 }) }

  func number(of tensor: Tensor) -> Int? {
    numbers[Key(tensor)]?.first { tensors[$0] == tensor }
  }

  mutating func add(_ tensor: Tensor, name: String) -> Int {
    if let number = number(of: tensor) { return number }
    let number = tensors.count
    tensors.append(tensor)
    names.append(name)
    holders.append(0)
    numbers[Key(tensor), default: []].append(number)
    return number
  }
}
