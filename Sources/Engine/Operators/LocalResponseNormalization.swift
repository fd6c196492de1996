import CKernels
import GraphIR
import Glibc
import Tensors

/// `LRN` in float64: over `size` neighbouring channels.
struct LocalResponseNormalization: ShapedOperator {
  let attributes: LRNAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    if input.elementCount == 0 { return .nothing }
    let channels = input[1]
    let size = input.product(2..<input.rank)
    let before = (attributes.size - 1) / 2
    let after = attributes.size - 1 - before
    let (alpha, beta, bias) = (
      Double(attributes.alpha) / Double(attributes.size), Double(attributes.beta), Double(attributes.bias)
    )
    return Kernel(
      "lrn", units: input[0] * channels, costPerUnit: size * (attributes.size + 20), threads: request.threads
    ) { operands, range in
      for plane in range {
        let channel = plane % channels
        let x: UnsafePointer<Double> = operands.input(0) + plane * size
        let y: UnsafeMutablePointer<Double> = operands.output() + plane * size
        let neighbours = max(-before, -channel)...min(after, channels - 1 - channel)
        for index in 0..<size {
          var squares = 0.0
          for neighbour in neighbours {
            let value = x[index + neighbour * size]
            squares += value * value
          }
          y[index] = x[index] / pow(bias + alpha * squares, beta)
        }
      }
    }
  }
}

extension LRNAttributes {
  /// Makes of sums of squares what x is multiplied by: (bias + alpha / size * sum) ^ -beta, as exp(-beta * log).
  func factors(_ sums: UnsafeMutablePointer<Float>, count: Int) {
    let table = Kernels.current
    table.affine_f32(sums, sums, count, alpha / Float(size), bias)
    table.log_f32(sums, sums, count, 0, 0)
    table.affine_f32(sums, sums, count, -beta, 0)
    table.exp_f32(sums, sums, count, 0, 0)
  }
}

/// `LRN` in float32: a stretch of all channels' planes at a time, so that neighbours are still in the cache.
struct VectorLocalResponseNormalization: ShapedOperator {
  private static let stretch = 512

  let attributes: LRNAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    if input.elementCount == 0 { return .nothing }
    let channels = input[1]
    let size = input.product(2..<input.rank)
    let stretches = (size - 1) / Self.stretch + 1
    return Kernel(
      Kernels.name("lrn"), pieces: input[0] * stretches,
      threadScratch: 2 * Self.stretch * MemoryLayout<Float>.stride
    ) { operands, piece in
      let (image, part) = piece.quotientAndRemainder(dividingBy: stretches)
      let start = image * channels * size + part * Self.stretch
      let count = min(Self.stretch, size - part * Self.stretch)
      for channel in 0..<channels {
        normalize(operands, start: start, channel: channel, of: channels, plane: size, count: count)
      }
    }
  }

  /// x / (bias + alpha / size * squares) ^ beta.
  private func normalize(
    _ operands: KernelOperands, start: Int, channel: Int, of channels: Int, plane: Int, count: Int
  ) {
    let table = Kernels.current
    let x: UnsafePointer<Float> = operands.input(0) + start
    let square = operands.threadScratch.assumingMemoryBound(to: Float.self)
    let sum = square + Self.stretch
    let before = (attributes.size - 1) / 2
    let first = max(0, channel - before)
    let last = min(channels - 1, channel - before + attributes.size - 1)
    sum.update(repeating: 0, count: count)
    for neighbour in first...last {
      let row = x + neighbour * plane
      table.mul_f32(1, count, row, 0, 1, row, 0, 1, square, 0)
      table.add_f32(1, count, sum, 0, 1, square, 0, 1, sum, 0)
    }
    attributes.factors(sum, count: count)
    let y: UnsafeMutablePointer<Float> = operands.output() + start + channel * plane
    table.mul_f32(1, count, x + channel * plane, 0, 1, sum, 0, 1, y, 0)
  }
}
