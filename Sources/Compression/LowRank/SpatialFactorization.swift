/// A convolution as two: `height × 1` to `rank` channels, then `1 × width` from them.
///
/// Source: scheme 2 of Jaderberg et al., "Speeding up convolutional neural networks with low rank expansions"
/// (2014), solved by one singular value decomposition as in Tai et al. (2016). The first takes the vertical
/// strides, pads and dilations, the second the horizontal ones and the bias; what padding adds is zero for both, so
/// that the pair at full rank computes what the convolution did.
struct SpatialFactorization: Sendable {
  private let kernel: ConvolutionKernel
  private let factorization: Factorization

  /// - Throws: as `Factorization.init`.
  init(_ kernel: ConvolutionKernel) throws(CompressionError) {
    self.kernel = kernel
    let (outputs, inputs, height, width) = (kernel.outputs, kernel.inputs, kernel.height, kernel.width)
    var matrix: [Float] = []
    matrix.reserveCapacity(kernel.count)
    for input in 0..<inputs {
      for y in 0..<height {
        for x in 0..<width {
          for output in 0..<outputs { matrix.append(kernel[output, input, y, x]) }
        }
      }
    }
    factorization = try Factorization(matrix, depth: inputs * height, columns: width * outputs)
  }

  var energies: [Double] { factorization.energies }
  var costPerRank: Int { factorization.depth + factorization.columns }
  var largestRank: Int { factorization.largestRank }

  /// - Parameter gram: of the convolution's im2col rows `[inputs · height · width]`. With it the second convolution is
  ///   the least-squares answer to what the first one gives, not just the other half of the decomposition.
  /// - Throws: as `Factorization.init`.
  func kernels(
    rank: Int, gram: SymmetricMatrix? = nil, damping: Double = 1e-3
  ) throws(CompressionError) -> (vertical: ConvolutionKernel, horizontal: ConvolutionKernel) {
    let (outputs, inputs, height, width) = (kernel.outputs, kernel.inputs, kernel.height, kernel.width)
    let (a, b) = factorization.factors(rank: rank)
    let vertical = ConvolutionKernel(rank, inputs, height, 1) { r, input, y, _ in
      a[(input * height + y) * rank + r]
    }
    var horizontal = ConvolutionKernel(outputs, rank, 1, width) { output, r, _, x in
      b[(r * width + x) * outputs + output]
    }
    guard let gram, rank > 0 else { return (vertical, horizontal) }
    precondition(gram.size == inputs * height * width)
    // Column (r, x) of the map takes im2col rows to the first convolution's output r at offset x.
    var map = [Double](repeating: 0, count: gram.size * rank * width)
    for input in 0..<inputs {
      for y in 0..<height {
        for x in 0..<width {
          let row = (input * height + y) * width + x
          for r in 0..<rank { map[row * rank * width + r * width + x] = Double(vertical[r, input, y, 0]) }
        }
      }
    }
    let refitted = try Projection.refit(
      kernel.matrix, columns: outputs, map, inner: rank * width, start: horizontal.matrix, gram, damping)
    horizontal = ConvolutionKernel(outputs, rank, 1, width) { output, r, _, x in
      refitted[(r * width + x) * outputs + output]
    }
    return (vertical, horizontal)
  }

  /// The one convolution that the pair amounts to.
  static func composed(_ vertical: ConvolutionKernel, _ horizontal: ConvolutionKernel) -> ConvolutionKernel {
    ConvolutionKernel(horizontal.outputs, vertical.inputs, vertical.height, horizontal.width) {
      output, input, y, x in
      var sum = 0.0
      for r in 0..<vertical.outputs {
        sum += Double(vertical[r, input, y, 0]) * Double(horizontal[output, r, 0, x])
      }
      return Float(sum)
    }
  }
}
