import GraphIR
import Glibc
import Tensors

extension EngineTable {
  private static let real: [ElementType] = .floats + .halves

  static let randomOperators: [OperatorEntry] = [
    OperatorEntry("RandomNormal", types: real, widensHalves: false, make: normal),
    OperatorEntry("RandomNormalLike", types: ElementType.allCases, widensHalves: false, make: normal),
    OperatorEntry("RandomUniform", types: real, widensHalves: false, make: uniform),
    OperatorEntry("RandomUniformLike", types: ElementType.allCases, widensHalves: false, make: uniform),
    OperatorEntry("Bernoulli", types: real, widensHalves: false) { source in
      guard let input = source.element(0) else { throw OperatorFailure.invalid("input 0 is no tensor") }
      guard let output = source.outputElement() else { throw OperatorFailure.invalid("no output type") }
      if !(.numbers + .halves + [.bool]).contains(output) { throw OperatorFailure.type(output) }
      return BernoulliOperator(
        seed: try source.node.optionalFloat("seed"), chances: try ElementAccess(input),
        results: try ElementAccess(output))
    },
    OperatorEntry("Multinomial", types: real, widensHalves: false) { source in
      guard let input = source.element(0) else { throw OperatorFailure.invalid("input 0 is no tensor") }
      return MultinomialOperator(
        seed: try source.node.optionalFloat("seed"), scores: try ElementAccess(input),
        isLong: try multinomialType(source) == .int64)
    },
  ]

  @Sendable private static func normal(_ source: OperatorSource) throws -> any ShapedOperator {
    let mean = Double(try source.node.float("mean", default: 0))
    let scale = Double(try source.node.float("scale", default: 1))
    return try RandomOperator(source, name: "random_normal", allowed: real) { _, _, generator in
      mean + scale * generator.normal()
    }
  }

  @Sendable private static func uniform(_ source: OperatorSource) throws -> any ShapedOperator {
    let low = Double(try source.node.float("low", default: 0))
    let high = Double(try source.node.float("high", default: 1))
    return try RandomOperator(source, name: "random_uniform", allowed: real) { _, _, generator in
      low + (high - low) * generator.fraction()
    }
  }

  private static func multinomialType(_ source: OperatorSource) throws -> ElementType {
    guard let type = source.outputElement(), type == .int32 || type == .int64 else {
      throw OperatorFailure.invalid("the output must be int32 or int64")
    }
    return type
  }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
struct RandomSequence {
  private var state: UInt64
  private var spare: Double?

  /// - Parameter seed: nil for a sequence that is another one each time.
  init(seed: Float?) {
    var system = SystemRandomNumberGenerator()
    state = seed.map { UInt64($0.bitPattern) } ?? system.next()
  }

  /// At least 0 and less than 1.
  mutating func fraction() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((bits ^ (bits >> 31)) >> 11) / Double(1 << 53)
  }

  /// Of mean 0 and deviation 1, by the Box-Muller transform.
  mutating func normal() -> Double {
    if let spare {
      self.spare = nil
      return spare
    }
    let radius = (-2 * log(1 - fraction())).squareRoot()
    let angle = 2 * Double.pi * fraction()
    spare = radius * sin(angle)
    return radius * cos(angle)
  }
}

/// Fills the output from a sequence that begins anew in each run: equal seeds give equal tensors.
struct RandomOperator: ShapedOperator {
  typealias Draw = @Sendable (KernelOperands, Int, inout RandomSequence) -> Double

  let name: String
  let seed: Float?
  let access: ElementAccess
  let draw: Draw

  init(_ source: OperatorSource, name: String, allowed: [ElementType], draw: @escaping Draw) throws {
    guard let element = source.outputElement() else { throw OperatorFailure.invalid("no output type") }
    if !allowed.contains(element) { throw OperatorFailure.type(element) }
    self.name = name
    seed = try source.node.optionalFloat("seed")
    access = try ElementAccess(element)
    self.draw = draw
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let count = try request.output().elementCount
    let (seed, access, draw) = (seed, access, draw)
    return Kernel(name) { operands, _ in
      var generator = RandomSequence(seed: seed)
      for index in 0..<count { access.write(operands.rawOutput(), index, draw(operands, index, &generator)) }
    }
  }
}

/// `Bernoulli`: 1 with the probability that the input says. A seed gives what ONNX's reference implementation
/// draws with it, `numpy.random.RandomState(int(seed)).binomial(1, p)`.
struct BernoulliOperator: ShapedOperator {
  let seed: Float?
  let chances: ElementAccess
  let results: ElementAccess

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let count = try request.output().elementCount
    let (chances, results) = (chances, results)
    let seed = seed.map { UInt32(truncatingIfNeeded: Int(exactly: $0.rounded(.towardZero)) ?? 0) }
    let draw = Kernel.Phase(pieces: 1) { operands, _ in
      var generator = MersenneTwister(state: operands.sharedScratch, seed: seed)
      for index in 0..<count {
        let chance = chances.read(operands.rawInput(0), index)
        guard chance >= 0 && chance <= 1 else {
          throw OperatorFailure.invalid("the probability of element \(index) is \(chance)")
        }
        results.write(operands.rawOutput(), index, generator.bernoulli(chance) ? 1 : 0)
      }
    }
    return Kernel("bernoulli", phases: [draw], sharedScratch: MersenneTwister.stateBytes)
  }
}

/// `Multinomial`: classes drawn by their unnormalized log-probabilities.
struct MultinomialOperator: ShapedOperator {
  let seed: Float?
  let scores: ElementAccess
  let isLong: Bool

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let (classes, samples) = (shape[1], output[1])
    if classes == 0 { throw OperatorFailure.invalid("there are no classes to draw from") }
    let (seed, scores, isLong) = (seed, scores, isLong)
    return Kernel("multinomial", pieces: 1, threadScratch: classes * MemoryLayout<Double>.stride) {
      operands, _ in
      var generator = RandomSequence(seed: seed)
      let sums = operands.threadScratch.assumingMemoryBound(to: Double.self)
      for row in 0..<output[0] {
        var top = -Double.infinity
        for index in 0..<classes {
          sums[index] = scores.read(operands.rawInput(0), row * classes + index)
          top = max(top, sums[index])
        }
        var total = 0.0
        for index in 0..<classes {
          total += exp(sums[index] - top)
          sums[index] = total
        }
        for sample in 0..<samples {
          let wanted = generator.fraction() * total
          var drawn = 0
          while drawn < classes - 1 && !(wanted < sums[drawn]) { drawn += 1 }
          let place = row * samples + sample
          if isLong {
            operands.output(0, as: Int.self)[place] = drawn
          } else {
            operands.output(0, as: Int32.self)[place] = Int32(truncatingIfNeeded: drawn)
          }
        }
      }
    }
  }
}
