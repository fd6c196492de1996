/// A fixed choice that looks random, equal on every machine (Steele et al., "Fast splittable pseudorandom number
/// generators", 2014).
enum SplitMix64 {
  static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// The generator's output in `state`.
  static func output(_ state: UInt64) -> UInt64 {
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
