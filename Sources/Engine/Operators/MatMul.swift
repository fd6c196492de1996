import CKernels
import GraphIR
import Tensors

/// The axes of a product of two tensors of any rank, as numpy's matmul defines them.
struct MatMulShape {
  let rows: Int
  let columns: Int
  let depth: Int
  /// For each product of the stack: the matrices of A and B that it uses.
  let pairs: [(a: Int, b: Int)]
  let aMatrices: Int
  let bMatrices: Int

  /// - Throws: `OperatorFailure.invalid` when the shapes do not fit.
  init(_ a: Shape, _ b: Shape) throws(OperatorFailure) {
    let left = a.rank == 1 ? Shape([1, a[0]]) : a
    let right = b.rank == 1 ? Shape([b[0], 1]) : b
    guard left.rank >= 2, right.rank >= 2, left[left.rank - 1] == right[right.rank - 2],
      let stack = Self.stack(left).broadcast(with: Self.stack(right))
    else { throw .invalid("cannot multiply \(a) by \(b)") }
    rows = left[left.rank - 2]
    depth = left[left.rank - 1]
    columns = right[right.rank - 1]
    aMatrices = Self.stack(left).elementCount
    bMatrices = Self.stack(right).elementCount
    let plan = BroadcastPlan([Self.stack(left), Self.stack(right)], output: stack)
    var pairs: [(a: Int, b: Int)] = []
    for row in 0..<(stack.elementCount == 0 ? 0 : plan.rows) {
      let (a, b) = (plan.offset(row, 0), plan.offset(row, 1))
      for column in 0..<plan.columns {
        pairs.append((a + column * plan.steps[0], b + column * plan.steps[1]))
      }
    }
    self.pairs = pairs
  }

  private static func stack(_ shape: Shape) -> Shape { Shape(Array(shape.dimensions.dropLast(2))) }

  /// When every product uses the same B and A's matrices follow each other, A is one tall matrix.
  var isOneTallMatrix: Bool { bMatrices == 1 && aMatrices == pairs.count }
}

/// `MatMul` in float32, and `ai.adze.MatMul`: with a bias for each column (input 2) and an activation.
struct MatMulOperator: ShapedOperator {
  let activation: Activation?
  private let packed: FloatWeight

  init(_ source: OperatorSource) throws {
    activation = try Activation(fusedInto: source.node)
    packed = FloatWeight(source.options)
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try MatMulShape(request.input(0).shape, request.input(1).shape)
    var product = Self.product(shape)
    product.activation = activation
    if request.hasInput(2) { product.bias = .columns(input: 2) }
    return try product.kernel(packed, weight: request.weight(1), threads: request.threads)
  }

  static func product(_ shape: MatMulShape) -> MatrixProduct {
    let (aSize, bSize, cSize) = (
      shape.rows * shape.depth, shape.depth * shape.columns, shape.rows * shape.columns
    )
    if shape.isOneTallMatrix {
      return MatrixProduct(
        rows: shape.rows * shape.pairs.count, columns: shape.columns, depth: shape.depth,
        batchOffsets: [(0, 0, 0)], bOffsets: [0], bIndex: [0])
    }
    return MatrixProduct(
      rows: shape.rows, columns: shape.columns, depth: shape.depth,
      batchOffsets: shape.pairs.enumerated().map { ($1.a * aSize, $1.b * bSize, $0 * cSize) },
      bOffsets: (0..<shape.bMatrices).map { $0 * bSize }, bIndex: shape.pairs.map(\.b))
  }
}

/// `MatMul` of any other number type: plain loops in a fixed order.
struct PlainMatMul<Element: ArithmeticElement>: ShapedOperator {
  @_specialize(where Element == Double)
  @_specialize(where Element == Int64)
  @_specialize(where Element == Int32)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try MatMulShape(request.input(0).shape, request.input(1).shape)
    let (rows, columns, depth) = (shape.rows, shape.columns, shape.depth)
    return Kernel(
      "matmul_\(Element.elementType.name)", units: shape.pairs.count * rows, costPerUnit: columns * depth,
      threads: request.threads
    ) { operands, range in
      let a: UnsafePointer<Element> = operands.input(0)
      let b: UnsafePointer<Element> = operands.input(1)
      let c: UnsafeMutablePointer<Element> = operands.output()
      for unit in range {
        let (batch, row) = unit.quotientAndRemainder(dividingBy: rows)
        let pair = shape.pairs[batch]
        let aRow = a + (pair.a * rows + row) * depth
        let bMatrix = b + pair.b * depth * columns
        let cRow = c + unit * columns
        for column in 0..<columns { cRow[column] = .zero }
        for k in 0..<depth {
          let factor = aRow[k]
          for column in 0..<columns { cRow[column].add(factor, times: bMatrix[k * columns + column]) }
        }
      }
    }
  }
}
