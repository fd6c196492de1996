import GraphIR
import Tensors

/// `com.microsoft.NGramRepeatBlock`: the scores of tokens that would repeat a sequence of `size` tokens become
/// minus infinity.
struct RepeatedNGrams: ShapedOperator {
  let size: Int

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let (length, tokens) = (try request.input(0).shape[1], try request.input(1).shape[1])
    let size = size
    return Kernel(
      "ngram_repeat_block", units: try request.input(1).shape[0],
      costPerUnit: tokens + length * min(size, length),
      threads: request.threads
    ) { operands, range in
      for entry in range {
        let ids = operands.input(0, as: Int.self) + entry * length
        let scores = operands.output(0, as: Float.self) + entry * tokens
        scores.update(from: operands.input(1, as: Float.self) + entry * tokens, count: tokens)
        if size > length { continue }
        for start in 0...(length - size) {
          let repeats = (0..<(size - 1)).allSatisfy { ids[start + $0] == ids[length - size + 1 + $0] }
          if !repeats { continue }
          let token = ids[start + size - 1]
          if token < 0 || token >= tokens {
            throw OperatorFailure.invalid("token \(token) is out of range for \(tokens) scores")
          }
          scores[token] = -.infinity
        }
      }
    }
  }
}

/// `com.microsoft.MurmurHash3`: MurmurHash3_x86_32 (https://github.com/aappleby/smhasher) of each element's bytes.
struct MurmurHash: DynamicOperator {
  let seed: UInt32
  let isUnsigned: Bool

  func run(_ inputs: [RuntimeValue?], _ context: DynamicContext) throws -> [RuntimeValue] {
    guard let tensor = inputs[0]?.tensor else { throw OperatorFailure.invalid("input 0 is no tensor") }
    let hashes: [UInt32]
    if let strings = tensor.strings {
      hashes = strings.map { hash(Array($0.utf8)) }
    } else {
      let width = tensor.type.bitWidth / 8
      hashes = tensor.withBytes { bytes in
        (0..<tensor.elementCount).map { hash(Array(bytes[($0 * width)..<(($0 + 1) * width)])) }
      }
    }
    if isUnsigned { return [.tensor(try Tensor(shape: tensor.shape, hashes))] }
    return [.tensor(try Tensor(shape: tensor.shape, hashes.map(Int32.init(bitPattern:))))]
  }

  private func hash(_ bytes: [UInt8]) -> UInt32 {
    var state = seed
    let whole = bytes.count / 4 * 4
    for start in stride(from: 0, to: whole, by: 4) {
      state ^= mixed(word(bytes, start, 4))
      state = (state << 13 | state >> 19) &* 5 &+ 0xe654_6b64
    }
    if whole < bytes.count { state ^= mixed(word(bytes, whole, bytes.count - whole)) }
    state ^= UInt32(truncatingIfNeeded: bytes.count)
    state = (state ^ state >> 16) &* 0x85eb_ca6b
    state = (state ^ state >> 13) &* 0xc2b2_ae35
    return state ^ state >> 16
  }

  private func word(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt32 {
    (0..<count).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
  }

  private func mixed(_ word: UInt32) -> UInt32 {
    let product = word &* 0xcc9e_2d51
    return (product << 15 | product >> 17) &* 0x1b87_3593
  }
}
