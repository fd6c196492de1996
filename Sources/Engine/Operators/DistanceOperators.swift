import GraphIR
import Tensors

/// `com.microsoft.CDist`: the distance of each row of A to each row of B.
struct DistanceOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  let metric: DistanceMetric

  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let (a, b) = (try request.input(0).shape, try request.input(1).shape)
    let (rows, features) = (b[0], a[1])
    let metric = metric
    return Kernel(
      "cdist", units: a[0], costPerUnit: rows * features, threads: request.threads
    ) { operands, range in
      for left in range {
        let x = operands.input(0, as: Element.self) + left * features
        let result = operands.output(0, as: Element.self) + left * rows
        for right in 0..<rows {
          let y = operands.input(1, as: Element.self) + right * features
          var sum = Element.zero
          for index in 0..<features {
            let difference = x[index] - y[index]
            sum += difference * difference
          }
          result[right] = metric == .euclidean ? sum.squareRoot() : sum
        }
      }
    }
  }
}

/// `com.microsoft.Inverse` of each matrix: Gauss and Jordan's elimination in double precision, rows exchanged for the
/// largest pivot.
struct InverseOperator<Element: ArithmeticElement & BinaryFloatingPoint>: ShapedOperator {
  @_specialize(where Element == Float)
  @_specialize(where Element == Double)
  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let shape = try request.input(0).shape
    let size = shape[shape.rank - 1]
    if shape.elementCount == 0 { return .nothing }
    var scratch = ScratchLayout()
    // A double takes two floats.
    _ = try scratch.add(floats: 4, size, size)
    return Kernel(
      "inverse", pieces: shape.elementCount / (size * size), threadScratch: scratch.byteCount
    ) { operands, matrix in
      let work = operands.threadScratch.assumingMemoryBound(to: Double.self)
      let inverse = work + size * size
      let source = operands.input(0, as: Element.self) + matrix * size * size
      for index in 0..<(size * size) {
        work[index] = Double(source[index])
        inverse[index] = index / size == index % size ? 1 : 0
      }
      try Self.eliminate(work, inverse, size)
      let target = operands.output(0, as: Element.self) + matrix * size * size
      for index in 0..<(size * size) { target[index] = Element(inverse[index]) }
    }
  }

  private static func eliminate(
    _ work: UnsafeMutablePointer<Double>, _ inverse: UnsafeMutablePointer<Double>, _ size: Int
  ) throws {
    for column in 0..<size {
      var pivot = column
      for row in column..<size where abs(work[row * size + column]) > abs(work[pivot * size + column]) {
        pivot = row
      }
      let value = work[pivot * size + column]
      if value == 0 || !value.isFinite { throw OperatorFailure.invalid("a matrix has no inverse") }
      for index in 0..<size {
        for matrix in [work, inverse] {
          let other = matrix[pivot * size + index]
          matrix[pivot * size + index] = matrix[column * size + index]
          matrix[column * size + index] = other / value
        }
      }
      for row in 0..<size where row != column {
        let factor = work[row * size + column]
        if factor == 0 { continue }
        for index in 0..<size {
          work[row * size + index] -= factor * work[column * size + index]
          inverse[row * size + index] -= factor * inverse[column * size + index]
        }
      }
    }
  }
}
