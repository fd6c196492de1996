import Tensors

/// What is added to the scores, or, when boolean, which of them count. Keys beyond the mask's last do not.
struct AttentionMask {
  let input: Int
  let isBool: Bool
  private let isFloat: Bool
  private let access: ElementAccess
  /// The keys that the mask speaks of.
  let keys: Int
  private let strides: (batch: Int, head: Int, query: Int, key: Int)

  /// - Parameter broadcastKeys: how many keys a last axis of extent 1 stands for, as numpy broadcasts; nil: for one.
  init(_ type: OperandType, input: Int, broadcastKeys: Int? = nil) throws {
    self.input = input
    isBool = type.element == .bool
    isFloat = type.element == .float32
    access = try ElementAccess(type.element)
    let shape = type.shape
    let own = shape.strides
    let extent = shape.rank == 0 ? 1 : shape[shape.rank - 1]
    let broadcasts = extent == 1 && broadcastKeys != nil
    keys = broadcasts ? broadcastKeys! : extent
    func stride(_ axis: Int) -> Int {
      let place = axis - (4 - shape.rank)
      return place < 0 || shape[place] == 1 ? 0 : own[place]
    }
    strides = (stride(0), stride(1), stride(2), broadcasts ? 0 : 1)
  }

  @inline(__always) private func start(_ batch: Int, _ head: Int, _ query: Int) -> Int {
    batch * strides.batch + head * strides.head + query * strides.query
  }

  /// What is added to the scores of one query with the keys of `range`; `scratch` has room for as many.
  /// - Returns: where the numbers lie, and the step from one to the next, 0 or 1.
  func row(
    _ operands: KernelOperands, batch: Int, head: Int, query: Int, keys range: Range<Int>,
    scratch: UnsafeMutablePointer<Float>
  ) -> (numbers: UnsafePointer<Float>, step: Int) {
    let first = start(batch, head, query) + range.lowerBound * strides.key
    if isFloat { return (operands.input(input, as: Float.self) + first, strides.key) }
    if isBool {
      let flags = operands.input(input, as: UInt8.self) + first
      for index in 0..<range.count { scratch[index] = flags[index * strides.key] != 0 ? 0 : -.infinity }
    } else {
      let numbers = operands.rawInput(input)
      for index in 0..<range.count {
        scratch[index] = Float(access.read(numbers, first + index * strides.key))
      }
    }
    return (UnsafePointer(scratch), 1)
  }

  func apply<Element: BinaryFloatingPoint>(
    _ operands: KernelOperands, _ row: UnsafeMutablePointer<Element>, batch: Int, head: Int, query: Int
  ) {
    let start = start(batch, head, query)
    let mask = operands.rawInput(input)
    for index in 0..<keys {
      let value = access.read(mask, start + index * strides.key)
      row[index] = isBool ? (value != 0 ? row[index] : -.infinity) : row[index] + Element(value)
    }
  }
}
