/// A convolution as three: `1 × 1` to fewer inputs, the window itself between the fewer channels, `1 × 1` to all outputs.
///
/// Source: Tucker-2 decomposition, Kim et al., "Compression of deep convolutional neural networks for fast and low
/// power mobile applications" (2016), started from the higher-order singular value decomposition and improved by
/// alternating (HOOI: De Lathauwer et al., 2000). Strides, pads and dilations stay with the middle one, the bias goes to
/// the last.
struct TuckerFactorization: Sendable {
  struct Kernels: Sendable {
    /// `[r₁, inputs, 1, 1]`, `[r₂, r₁, height, width]`, `[outputs, r₂, 1, 1]`.
    var first, core, last: ConvolutionKernel
    var count: Int { first.count + core.count + last.count }
  }

  private let kernel: ConvolutionKernel
  /// Squared singular values of the unfoldings along inputs and outputs, descending.
  let inputEnergies: [Double]
  let outputEnergies: [Double]
  private let inputBasis: [Double]
  private let outputBasis: [Double]

  /// - Throws: `CompressionError.model` for elements that are not finite.
  init(_ kernel: ConvolutionKernel) throws(CompressionError) {
    self.kernel = kernel
    let inputs = try SymmetricEigen(Self.moment(Self.byInput(kernel), kernel.inputs), size: kernel.inputs)
    let outputs = try SymmetricEigen(
      Self.moment(kernel.elements.map(Double.init), kernel.outputs), size: kernel.outputs)
    inputEnergies = inputs.values.map { max($0, 0) }
    outputEnergies = outputs.values.map { max($0, 0) }
    inputBasis = inputs.vectors
    outputBasis = outputs.vectors
  }

  /// Numbers that the three kernels hold.
  func cost(inputRank: Int, outputRank: Int) -> Int {
    kernel.inputs * inputRank + inputRank * outputRank * kernel.taps + outputRank * kernel.outputs
  }

  /// Ranks under `budget` numbers: the side whose next component keeps more energy for what it costs grows first.
  /// nil when not even one component on each side fits.
  func ranks(budget: Int) -> (inputRank: Int, outputRank: Int)? {
    var (input, output) = (1, 1)
    guard kernel.count > 0, cost(inputRank: 1, outputRank: 1) <= budget else { return nil }
    while true {
      let spent = cost(inputRank: input, outputRank: output)
      let wider = cost(inputRank: input + 1, outputRank: output)
      let taller = cost(inputRank: input, outputRank: output + 1)
      let canWiden = input < kernel.inputs && wider <= budget
      let canGrow = output < kernel.outputs && taller <= budget
      if !canWiden && !canGrow { return (input, output) }
      let byInput = canWiden ? inputEnergies[input] / Double(wider - spent) : -1
      let byOutput = canGrow ? outputEnergies[output] / Double(taller - spent) : -1
      if byInput >= byOutput { input += 1 } else { output += 1 }
    }
  }

  /// - Throws: as `init`.
  func kernels(inputRank: Int, outputRank: Int, sweeps: Int = 3) throws(CompressionError) -> Kernels {
    precondition(inputRank <= kernel.inputs && outputRank <= kernel.outputs)
    var u = Array(inputBasis[..<(inputRank * kernel.inputs)])
    var v = Array(outputBasis[..<(outputRank * kernel.outputs)])
    let byInput = Self.byInput(kernel)
    let byOutput = kernel.elements.map(Double.init)
    for _ in 0..<sweeps where inputRank < kernel.inputs || outputRank < kernel.outputs {
      // [r₁, outputs · taps] as [outputs, r₁ · taps]: the outputs that matter to the inputs kept.
      let narrowed = DenseProduct.multiply(
        u, byInput, rows: inputRank, inner: kernel.inputs, columns: kernel.outputs * kernel.taps)
      let turned = Self.swapFirstTwo(narrowed, inputRank, kernel.outputs, kernel.taps)
      let outputs = try SymmetricEigen(Self.moment(turned, kernel.outputs), size: kernel.outputs)
      v = Array(outputs.vectors[..<(outputRank * kernel.outputs)])
      let shortened = DenseProduct.multiply(
        v, byOutput, rows: outputRank, inner: kernel.outputs, columns: kernel.inputs * kernel.taps)
      let back = Self.swapFirstTwo(shortened, outputRank, kernel.inputs, kernel.taps)
      let inputs = try SymmetricEigen(Self.moment(back, kernel.inputs), size: kernel.inputs)
      u = Array(inputs.vectors[..<(inputRank * kernel.inputs)])
    }
    return assembled(u, v, inputRank, outputRank)
  }

  private func assembled(_ u: [Double], _ v: [Double], _ inputRank: Int, _ outputRank: Int) -> Kernels {
    let shortened = DenseProduct.multiply(
      v, kernel.elements.map(Double.init), rows: outputRank, inner: kernel.outputs,
      columns: kernel.inputs * kernel.taps)
    let back = Self.swapFirstTwo(shortened, outputRank, kernel.inputs, kernel.taps)
    let core = DenseProduct.multiply(
      u, back, rows: inputRank, inner: kernel.inputs, columns: outputRank * kernel.taps)
    let elements = Self.swapFirstTwo(core, inputRank, outputRank, kernel.taps).map(Float.init)
    return Kernels(
      first: ConvolutionKernel(inputRank, kernel.inputs, 1, 1) { r, input, _, _ in
        Float(u[r * kernel.inputs + input])
      },
      core: ConvolutionKernel(
        outputs: outputRank, inputs: inputRank, height: kernel.height, width: kernel.width, elements: elements
      ),
      last: ConvolutionKernel(kernel.outputs, outputRank, 1, 1) { output, r, _, _ in
        Float(v[r * kernel.outputs + output])
      })
  }

  /// The one convolution that the three amount to.
  static func composed(_ kernels: Kernels) -> ConvolutionKernel {
    let (first, core, last) = (kernels.first, kernels.core, kernels.last)
    let taps = core.taps
    let inner = DenseProduct.multiply(
      last.elements.map(Double.init), core.elements.map(Double.init), rows: last.outputs, inner: core.outputs,
      columns: core.inputs * taps)
    let turned = swapFirstTwo(inner, last.outputs, core.inputs, taps)
    let weights = DenseProduct.transpose(
      first.elements.map(Double.init), rows: first.outputs, columns: first.inputs)
    let whole = DenseProduct.multiply(
      weights, turned, rows: first.inputs, inner: first.outputs, columns: last.outputs * taps)
    return ConvolutionKernel(
      outputs: last.outputs, inputs: first.inputs, height: core.height, width: core.width,
      elements: swapFirstTwo(whole, first.inputs, last.outputs, taps).map(Float.init))
  }

  /// `[inputs, outputs, taps]`
  private static func byInput(_ kernel: ConvolutionKernel) -> [Double] {
    swapFirstTwo(kernel.elements.map(Double.init), kernel.outputs, kernel.inputs, kernel.taps)
  }

  /// `[first, second, taps]` to `[second, first, taps]`.
  private static func swapFirstTwo(_ elements: [Double], _ first: Int, _ second: Int, _ taps: Int) -> [Double]
  {
    var result: [Double] = []
    result.reserveCapacity(elements.count)
    for b in 0..<second {
      for a in 0..<first {
        let start = (a * second + b) * taps
        result.append(contentsOf: elements[start..<start + taps])
      }
    }
    return result
  }

  /// M Mᵀ of M `[rows, …]`.
  private static func moment(_ matrix: [Double], _ rows: Int) -> [Double] {
    let columns = rows == 0 ? 0 : matrix.count / rows
    let transposed = DenseProduct.transpose(matrix, rows: rows, columns: columns)
    return DenseProduct.multiply(matrix, transposed, rows: rows, inner: columns, columns: rows)
  }
}
