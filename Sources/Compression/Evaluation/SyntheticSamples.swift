import Engine
import GraphIR
import Tensors

/// Made-up samples for models that come without data: enough to run and time them, too little to judge them.
enum SyntheticSamples {
  private static let rows = 32

  /// Seeded standard normal values for float inputs; nil when an input is of another type, or has open extents
  /// beside the leading one, which no made-up value would suit.
  static func dataset(for ports: [Port]) -> Dataset? {
    var arrays: [(name: String, tensor: Tensor)] = []
    var random = NormalNumbers()
    for port in ports {
      guard port.element == .float32, let dimensions = port.dimensions, !dimensions.isEmpty else {
        return nil
      }
      let inner = dimensions.dropFirst().compactMap(\.extent)
      if inner.count != dimensions.count - 1 { return nil }
      let shape = Shape([dimensions[0].extent ?? rows] + inner)
      guard let count = shape.checkedElementCount, count > 0, count < 1 << 26,
        let tensor = try? Tensor(shape: shape, (0..<count).map { _ in random.next() })
      else { return nil }
      arrays.append((name: port.name, tensor: tensor))
    }
    return try? Dataset(arrays)
  }
}

/// Normal numbers by the sum of twelve uniform ones, equal on every machine.
private struct NormalNumbers {
  private var state: UInt64 = 0

  mutating func next() -> Float {
    var sum: Float = -6
    for _ in 0..<12 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      sum += Float(state >> 40) / Float(1 << 24)
    }
    return sum
  }
}
