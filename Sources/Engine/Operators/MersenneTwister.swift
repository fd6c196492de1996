/// MT19937 (Matsumoto, Nishimura, ACM TOMACS 1998), seeded and read as numpy's `RandomState` does it, so that
/// seeded operators give what ONNX's reference implementation gives.
struct MersenneTwister {
  private static let count = 624
  private static let middle = 397
  static let stateBytes = count * MemoryLayout<UInt32>.stride

  private let state: UnsafeMutablePointer<UInt32>
  private var next = MersenneTwister.count

  /// - Parameters:
  ///   - state: `stateBytes` bytes of memory that nobody else uses meanwhile.
  ///   - seed: nil for a sequence that is another one each time.
  init(state: UnsafeMutableRawPointer, seed: UInt32?) {
    self.state = state.assumingMemoryBound(to: UInt32.self)
    var system = SystemRandomNumberGenerator()
    self.state[0] = seed ?? system.next()
    for index in 1..<Self.count {
      let last = self.state[index - 1]
      self.state[index] = 1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(index)
    }
  }

  /// At least 0 and less than 1, with 53 random bits.
  mutating func fraction() -> Double {
    let high = Double(word() >> 5)
    return (high * 67_108_864 + Double(word() >> 6)) / 9_007_199_254_740_992
  }

  /// 1 with the probability `chance`, as `RandomState.binomial(1, chance)` draws it: by inversion, on the smaller
  /// side.
  mutating func bernoulli(_ chance: Double) -> Bool {
    let number = fraction()
    return chance <= 0.5 ? number > 1 - chance : !(number > chance)
  }

  private mutating func word() -> UInt32 {
    if next == Self.count { refill() }
    var bits = state[next]
    next += 1
    bits ^= bits >> 11
    bits ^= bits << 7 & 0x9D2C_5680
    bits ^= bits << 15 & 0xEFC6_0000
    return bits ^ bits >> 18
  }

  private mutating func refill() {
    for index in 0..<Self.count {
      let bits = state[index] & 0x8000_0000 | state[(index + 1) % Self.count] & 0x7FFF_FFFF
      let twisted = bits >> 1 ^ (bits & 1 == 0 ? 0 : 0x9908_B0DF)
      state[index] = state[(index + Self.middle) % Self.count] ^ twisted
    }
    next = 0
  }
}
