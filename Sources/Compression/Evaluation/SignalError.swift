import Glibc
import Tensors

/// Signal and noise power of float32 tensors, added up.
struct SignalError {
  private(set) var signal = 0.0
  private(set) var noise = 0.0
  /// Σ reference · candidate and Σ candidate².
  private(set) var product = 0.0
  private(set) var candidateSignal = 0.0
  private(set) var maximum = 0.0
  private(set) var elements = 0

  /// Tensors of other types, or of different shapes, are left out.
  mutating func add(_ reference: Tensor, _ candidate: Tensor) {
    guard reference.type == .float32, candidate.type == .float32, reference.shape == candidate.shape else {
      return
    }
    reference.withElements(Float.self) { left in
      candidate.withElements(Float.self) { right in
        for index in left.indices {
          // Two infinities of one sign, or two equal NaN, are the same answer.
          if left[index].bitPattern == right[index].bitPattern && !left[index].isFinite { continue }
          let (a, b) = (Double(left[index]), Double(right[index]))
          signal += a * a
          candidateSignal += b * b
          product += a * b
          noise += (a - b) * (a - b)
          maximum = max(maximum, abs(a - b))
        }
      }
    }
    elements += reference.elementCount
  }

  /// 20·log₁₀(‖x‖ / ‖x − x̂‖); infinite for equal tensors.
  var decibels: Double {
    if noise == 0 { return .infinity }
    return signal == 0 ? -.infinity : 10 * log10(signal / noise)
  }

  var cosine: Double {
    let norm = (signal * candidateSignal).squareRoot()
    if norm == 0 { return noise == 0 ? 1 : 0 }
    return product / norm
  }

  var rootMeanSquare: Double { (noise / Double(max(elements, 1))).squareRoot() }
}
