import GraphIR
import Tensors

/// The ways to write one layer as a product of smaller ones, and what each of them loses.
struct LowRankCandidate {
  /// The layers that stand for one, in order.
  struct Parts {
    enum Form { case matrices, spatial, tucker }
    var form: Form
    /// Weights in the layouts of the layer's operator; the last one gives the layer's output.
    var weights: [Tensor]
    /// Components between the layers.
    var ranks: [Int]
    /// The weight that the parts amount to.
    var effective: Tensor

    var elementCount: Int { weights.reduce(0) { $0 + $1.elementCount } }
  }

  /// Eigenvalues take n³ steps: some seconds for this many.
  static let largestSide = 1536

  let layer: WeightLayer
  /// What each component keeps and costs, for the way that loses less at half the size.
  let components: RankChoice.Candidate
  private let gram: SymmetricMatrix?
  /// W = A B of the layer's matrix.
  private let matrices: Factorization
  /// Of an image's convolution with a window.
  private let spatial: SpatialFactorization?
  private let tucker: TuckerFactorization?

  /// Why the layer cannot be written as a product; nil when it can.
  static func obstacle(_ layer: WeightLayer) -> String? {
    switch layer.kind {
    case .matMul:
      if layer.shape.rank != 2 { return "a stack of matrices is not factored" }
    case .gemm: break
    case .conv(let groups):
      if groups != 1 { return "a grouped convolution is not factored" }
    case .convTranspose: return "a transposed convolution is not factored"
    case .table: return "a table is not factored"
    case .recurrent: return "a recurrent weight is not factored"
    }
    let (depth, columns) = (layer.matrix.depth, layer.matrix.columns)
    if Factorization.largestUsefulRank(depth: depth, columns: columns) < 1 {
      return "two factors of \(depth) × \(columns) are not smaller"
    }
    if min(depth, columns) > largestSide {
      return "\(depth) × \(columns) is beyond the largest factorization, \(largestSide) on its smaller side"
    }
    return nil
  }

  /// - Parameters:
  ///   - gram: of the layer's inputs; nil for the error of the weights themselves.
  ///   - keepsMoments: whether there is room to keep `gram` for the choice between forms, which is else made by the
  ///     error of the weights.
  /// - Throws: as `Factorization.init`.
  init(_ layer: WeightLayer, gram: SymmetricMatrix?, keepsMoments: Bool) throws(CompressionError) {
    self.layer = layer
    self.gram = keepsMoments && Self.window(layer) != nil ? gram : nil
    let layout = layer.matrix
    matrices = try Factorization(
      layer.matrix(of: layer.weights, group: 0), depth: layout.depth, columns: layout.columns, gram: gram)
    if let kernel = Self.window(layer) {
      let isNarrow = min(kernel.inputs * kernel.height, kernel.outputs * kernel.width) <= Self.largestSide
      spatial = kernel.height > 1 && kernel.width > 1 && isNarrow ? try SpatialFactorization(kernel) : nil
      tucker = max(kernel.inputs, kernel.outputs) <= Self.largestSide ? try TuckerFactorization(kernel) : nil
    } else {
      spatial = nil
      tucker = nil
    }
    components = Self.components(layer, matrices, spatial)
  }

  private static func components(
    _ layer: WeightLayer, _ matrices: Factorization, _ spatial: SpatialFactorization?
  ) -> RankChoice.Candidate {
    let full = layer.weights.elementCount
    let asMatrices = RankChoice.Candidate(
      energies: matrices.energies, costPerRank: matrices.depth + matrices.columns, fullCost: full)
    guard let spatial else { return asMatrices }
    let asSpatial = RankChoice.Candidate(
      energies: spatial.energies, costPerRank: spatial.costPerRank, fullCost: full)
    return asSpatial.errorAtHalfTheSize < asMatrices.errorAtHalfTheSize ? asSpatial : asMatrices
  }

  /// The weight of a convolution over an image whose window is more than one element.
  private static func window(_ layer: WeightLayer) -> ConvolutionKernel? {
    guard layer.isConvolution, layer.shape.rank == 4, layer.shape[2] * layer.shape[3] > 1 else { return nil }
    return ConvolutionKernel(
      outputs: layer.shape[0], inputs: layer.shape[1], height: layer.shape[2], width: layer.shape[3],
      elements: layer.weights.array(of: Float.self))
  }

  var hasMoments: Bool { gram != nil }

  /// The parts of at most `size` numbers that err least; nil when none has so few.
  /// - Throws: `CompressionError`.
  func parts(size: Int) throws(CompressionError) -> Parts? {
    let forms = try forms(size: size)
    if forms.count < 2 { return forms.first }
    let errors = forms.map { error(of: $0.effective) }
    return forms.indices.min { errors[$0] < errors[$1] }.map { forms[$0] }
  }

  /// Every way to write the layer in at most `size` numbers.
  func forms(size: Int) throws(CompressionError) -> [Parts] {
    var forms: [Parts] = []
    let rank = min(size / (matrices.depth + matrices.columns), matrices.largestRank)
    if rank > 0 { forms.append(try inMatrices(rank)) }
    if let spatial {
      let rank = min(size / spatial.costPerRank, spatial.largestRank)
      if rank > 0 { forms.append(try inSpace(spatial, rank)) }
    }
    if let tucker, let ranks = tucker.ranks(budget: size) {
      forms.append(try inChannels(tucker, ranks.inputRank, ranks.outputRank))
    }
    return forms
  }

  /// Of the outputs on the calibration data, or of the weights.
  private func error(of effective: Tensor) -> Double {
    let changed = layer.matrix(of: effective, group: 0)
    let delta = zip(layer.matrix(of: layer.weights, group: 0), changed).map { $0 - $1 }
    if let gram { return gram.quadratic(delta, columns: layer.matrix.columns) }
    return delta.reduce(0) { $0 + Double($1) * Double($1) }
  }

  private func inMatrices(_ rank: Int) throws(CompressionError) -> Parts {
    let (depth, columns) = (matrices.depth, matrices.columns)
    let (a, b) = matrices.factors(rank: rank)
    let (left, right) = (a.map(Double.init), b.map(Double.init))
    let whole = DenseProduct.multiply(left, right, rows: depth, inner: rank, columns: columns)
    var effective = layer.weights
    layer.store(whole.map { Float($0) }, group: 0, in: &effective)
    if case .matMul = layer.kind {
      return try assembled(.matrices, [([depth, rank], a), ([rank, columns], b)], [rank], effective)
    }
    if case .gemm(isTransposed: false) = layer.kind {
      return try assembled(.matrices, [([depth, rank], a), ([rank, columns], b)], [rank], effective)
    }
    // Outputs first: [rank, depth] and [columns, rank], of which a convolution's depth has several axes.
    let inner = layer.shape.dimensions.dropFirst()
    let ones = inner.dropFirst().map { _ in 1 }
    let first = DenseProduct.transpose(left, rows: depth, columns: rank).map { Float($0) }
    let second = DenseProduct.transpose(right, rows: rank, columns: columns).map { Float($0) }
    return try assembled(
      .matrices, [(Shape([rank] + inner), first), (Shape([columns, rank] + ones), second)], [rank], effective)
  }

  private func inSpace(_ spatial: SpatialFactorization, _ rank: Int) throws(CompressionError) -> Parts {
    let (vertical, horizontal) = try spatial.kernels(rank: rank, gram: gram)
    let whole = SpatialFactorization.composed(vertical, horizontal)
    return try assembled(
      .spatial, [vertical, horizontal].map { ($0.shape, $0.elements) }, [rank], tensor(whole))
  }

  private func inChannels(
    _ tucker: TuckerFactorization, _ inputRank: Int, _ outputRank: Int
  ) throws(CompressionError) -> Parts {
    let kernels = try tucker.kernels(inputRank: inputRank, outputRank: outputRank)
    return try assembled(
      .tucker, [kernels.first, kernels.core, kernels.last].map { ($0.shape, $0.elements) },
      [inputRank, outputRank], tensor(TuckerFactorization.composed(kernels)))
  }

  private func tensor(_ kernel: ConvolutionKernel) throws(CompressionError) -> Tensor {
    try tensors { () throws(TensorError) in try Tensor(shape: kernel.shape, kernel.elements) }
  }

  private func assembled(
    _ form: Parts.Form, _ weights: [(shape: Shape, elements: [Float])], _ ranks: [Int], _ effective: Tensor
  ) throws(CompressionError) -> Parts {
    var made: [Tensor] = []
    for weight in weights {
      guard weight.elements.allSatisfy(\.isFinite),
        let tensor = try? Tensor(shape: weight.shape, weight.elements)
      else { throw .model("the factors of layer '\(layer.name)' are not finite") }
      made.append(tensor)
    }
    return Parts(form: form, weights: made, ranks: ranks, effective: effective)
  }
}

extension ConvolutionKernel {
  var shape: Shape { [outputs, inputs, height, width] }
}

extension RankChoice.Candidate {
  /// The share of the energy that half of the numbers lose.
  fileprivate var errorAtHalfTheSize: Double {
    let whole = energies.reduce(0, +)
    let rank = fullCost / 2 / max(costPerRank, 1)
    return whole > 0 ? energies.dropFirst(rank).reduce(0, +) / whole : 0
  }
}
