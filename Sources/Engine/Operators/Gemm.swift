import CKernels
import GraphIR
import Tensors

/// `Gemm` in float32, and `ai.adze.Gemm`: with an activation.
struct GemmOperator: ShapedOperator {
  let transposesA: Bool
  let transposesB: Bool
  let alpha: Float
  let beta: Float
  let activation: Activation?
  private let packed: FloatWeight

  init(_ source: OperatorSource) throws {
    let node = source.node
    transposesA = try node.flag("transA")
    transposesB = try node.flag("transB")
    alpha = try node.float("alpha", default: 1)
    beta = try node.float("beta", default: 1)
    activation = try Activation(fusedInto: node)
    packed = FloatWeight(source.options)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let a = try request.input(0).shape
    let output = try request.output().shape
    var product = MatrixProduct(
      rows: output[0], columns: output[1], depth: transposesA ? a[0] : a[1], batchOffsets: [(0, 0, 0)],
      bOffsets: [0], bIndex: [0])
    product.transposesA = transposesA
    product.transposesB = transposesB
    product.alpha = alpha
    product.activation = activation
    var before: [Kernel.Phase] = []
    if let c = request.optionalInput(2), beta != 0 {
      product.bias = try bias(request, c.shape, output)
      if case .accumulate = product.bias { before = [spread(c.shape, output, threads: request.threads)] }
    }
    return try product.kernel(packed, weight: request.weight(1), threads: request.threads, before: before)
  }

  /// C as a bias when it has one value for each column or row; else C is spread over the output first.
  private func bias(_ request: PrepareRequest, _ c: Shape, _ output: Shape) throws -> MatrixProduct.Bias {
    let perColumn = c.elementCount == output[1] && (c.rank <= 1 || c[0] == 1) && c.rank > 0
    let perRow = c.rank == 2 && c[0] == output[0] && c[1] == 1
    if perColumn || perRow, let constant = request.weight(2) {
      let scaled = try constant.scaled(by: beta)
      return perColumn ? .constantColumns(scaled) : .constantRows(scaled)
    }
    if beta == 1 && perColumn { return .columns(input: 2) }
    if beta == 1 && perRow { return .rows(input: 2) }
    return .accumulate
  }

  private func spread(_ c: Shape, _ output: Shape, threads: Int) -> Kernel.Phase {
    let plan = BroadcastPlan([c], output: output)
    let beta = beta
    return Kernel.Phase(pieces: 1) { operands, _ in
      let source: UnsafePointer<Float> = operands.input(2)
      let destination: UnsafeMutablePointer<Float> = operands.output()
      plan.forEachBlock(0..<plan.units) { block in
        for row in 0..<block.rows {
          let from = source + block.offsets.0 + row * plan.rowStride(0)
          let to = destination + block.outputOffset + row * block.columns
          for column in 0..<block.columns { to[column] = beta * from[column * plan.steps[0]] }
        }
      }
    }
  }
}

extension Tensor {
  /// The float32 elements times `factor`.
  func scaled(by factor: Float) throws(TensorError) -> Tensor {
    if factor == 1 { return self }
    var result = self
    result.withMutableElements(Float.self) { elements in
      for index in elements.indices { elements[index] *= factor }
    }
    return result
  }
}

/// `Gemm` of any other number type.
struct PlainGemm<Element: ArithmeticElement>: ShapedOperator {
  let transposesA: Bool
  let transposesB: Bool
  let alpha: Float
  let beta: Float

  init(_ source: OperatorSource) throws {
    transposesA = try source.node.flag("transA")
    transposesB = try source.node.flag("transB")
    alpha = try source.node.float("alpha", default: 1)
    beta = try source.node.float("beta", default: 1)
  }

  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let aShape = try request.input(0).shape
    let output = try request.output().shape
    let (rows, columns) = (output[0], output[1])
    let depth = transposesA ? aShape[0] : aShape[1]
    let a = transposesA ? (row: 1, k: rows) : (row: depth, k: 1)
    let b = transposesB ? (k: 1, column: depth) : (k: columns, column: 1)
    let c = request.optionalInput(2).map { BroadcastPlan([$0.shape], output: output) }
    let (alpha, beta) = (Element(scale: alpha), Element(scale: beta))
    return Kernel(
      "gemm_\(Element.elementType.name)", units: rows, costPerUnit: columns * depth, threads: request.threads
    ) { operands, range in
      let left: UnsafePointer<Element> = operands.input(0)
      let right: UnsafePointer<Element> = operands.input(1)
      let result: UnsafeMutablePointer<Element> = operands.output()
      for row in range {
        for column in 0..<columns {
          var sum = Element.zero
          for k in 0..<depth {
            sum.add(left[row * a.row + k * a.k], times: right[k * b.k + column * b.column])
          }
          var scaled = Element.zero
          scaled.add(alpha, times: sum)
          if let c {
            let addend: UnsafePointer<Element> = operands.input(2)
            let position =
              c.rows == 1 && rows != 1
              ? (row * columns + column) * c.steps[0]
              : c.offset(c.rows == 1 ? 0 : row, 0) + column * c.steps[0]
            scaled.add(beta, times: addend[position])
          }
          result[row * columns + column] = scaled
        }
      }
    }
  }
}
