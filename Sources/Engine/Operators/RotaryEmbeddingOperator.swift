import GraphIR
import Tensors

/// `RotaryEmbedding`: turns pairs of features by the angle of their position, whose cosine and sine are inputs.
struct RotaryEmbeddingOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  let attributes: RotaryEmbeddingAttributes

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    if shape.elementCount == 0 { return .nothing }
    let layout = try HeadLayout(shape, heads: attributes.heads)
    let rotated = attributes.rotated == 0 ? layout.size : attributes.rotated
    let pairs = rotated / 2
    let cached = try request.input(1).shape[0]
    let hasPositions = request.hasInput(3)
    // The members of pair i are at i * step and i * step + distance.
    let (step, distance) = attributes.isInterleaved ? (2, 1) : (1, pairs)
    return Kernel(
      "rotary_embedding", units: layout.batch * layout.length, costPerUnit: layout.heads * layout.size * 2,
      threads: request.threads
    ) { operands, range in
      for unit in range {
        let (batch, place) = unit.quotientAndRemainder(dividingBy: layout.length)
        var entry = unit
        if hasPositions {
          entry = operands.input(3, as: Int.self)[unit]
          if entry < 0 || entry >= cached {
            throw OperatorFailure.invalid("position \(entry) is out of range for \(cached) cached ones")
          }
        }
        let cosines = operands.input(1, as: Element.self) + entry * pairs
        let sines = operands.input(2, as: Element.self) + entry * pairs
        for head in 0..<layout.heads {
          let offset = layout.offset(batch, head) + place * layout.step
          let x = operands.input(0, as: Element.self) + offset
          let y = operands.output(0, as: Element.self) + offset
          for pair in 0..<pairs {
            let (a, b) = (x[pair * step], x[pair * step + distance])
            y[pair * step] = cosines[pair] * a - sines[pair] * b
            y[pair * step + distance] = sines[pair] * a + cosines[pair] * b
          }
          for index in rotated..<layout.size { y[index] = x[index] }
        }
      }
    }
  }
}
