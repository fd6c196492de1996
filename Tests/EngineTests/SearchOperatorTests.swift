import GraphIR
import Tensors
import Testing

@Suite struct SearchOperatorTests {
  @Test func argMax() throws {
    let x = floats([2, 3], [1, 5, 5, 4, 2, 4])
    #expect(try OperatorRunner.run("ArgMax", [x], ["axis": .int(1)]) == [ints([2, 1], [1, 0])])
    #expect(
      try OperatorRunner.run(
        "ArgMax", [x], ["axis": .int(-1), "keepdims": .int(0), "select_last_index": .int(1)])
        == [ints(2, 2)])
    #expect(try OperatorRunner.run("ArgMin", [x], ["keepdims": .int(0)]) == [ints(0, 1, 1)])
  }

  /// Every K against sorting, over lengths around powers of two and with many equal elements.
  @Test(arguments: [1, 2, 3, 7, 8, 9, 33], [true, false])
  func topK(length: Int, isLargest: Bool) throws {
    let values = (0..<length).map { Float(($0 * 7919) % 5) }
    for k in 1...length {
      let order = (0..<length).sorted {
        values[$0] == values[$1] ? $0 < $1 : isLargest == (values[$0] > values[$1])
      }.prefix(k)
      let result = try OperatorRunner.run(
        "TopK", [floats([length], values), ints(k)], outputs: 2, ["largest": .int(isLargest ? 1 : 0)])
      #expect(result[1] == ints([k], Array(order)))
      #expect(result[0] == floats([k], order.map { values[$0] }))
    }
  }

  @Test func topKAlongAnInnerAxis() throws {
    let x = floats([3, 2], [1, 6, 3, 4, 2, 5])
    let result = try OperatorRunner.run("TopK", [x, ints(2)], outputs: 2, ["axis": .int(0)], constants: [1])
    #expect(result == [floats([2, 2], [3, 6, 2, 5]), ints([2, 2], [1, 0, 2, 2])])
  }

  @Test(arguments: [Set<Int>(), [1]]) func cumSum(constants: Set<Int>) throws {
    let x = counting([2, 3])
    func run(_ axis: Int, _ attributes: Attributes) throws -> Tensor {
      try OperatorRunner.run("CumSum", [x, scalar(axis)], attributes, constants: constants)[0]
    }
    #expect(try run(1, [:]) == floats([2, 3], [0, 1, 3, 3, 7, 12]))
    #expect(try run(-2, ["exclusive": .int(1)]) == floats([2, 3], [0, 0, 0, 0, 1, 2]))
    #expect(try run(1, ["reverse": .int(1)]) == floats([2, 3], [3, 3, 2, 12, 9, 5]))
  }

  @Test(arguments: [Set<Int>(), [1]]) func cumProd(constants: Set<Int>) throws {
    let x = floats([2, 3], [1, 2, 3, 4, 5, 6])
    func run(_ axis: Int, _ attributes: Attributes) throws -> Tensor {
      try OperatorRunner.run("CumProd", [x, scalar(axis)], attributes, constants: constants)[0]
    }
    #expect(try run(1, [:]) == floats([2, 3], [1, 2, 6, 4, 20, 120]))
    #expect(try run(-2, ["exclusive": .int(1)]) == floats([2, 3], [1, 1, 1, 1, 2, 3]))
    #expect(try run(1, ["reverse": .int(1)]) == floats([2, 3], [6, 6, 3, 120, 30, 6]))
  }

  @Test func hardmax() throws {
    let x = floats([2, 3], [1, 5, 5, 4, 2, 4])
    #expect(try OperatorRunner.run("Hardmax", [x]) == [floats([2, 3], [0, 1, 0, 1, 0, 0])])
  }

  /// Labels that are not in the result are added up in the order of the equation: other orders round otherwise.
  @Test func einsumAddsInTheOrderOfItsEquation() throws {
    let extents = [5, 6, 7]
    let count = extents.reduce(1, *)
    let left = (0..<count).map { Float(($0 &* 2_654_435_761) % 1999) / 7 - 141 }
    let right = (0..<count).map { Float(($0 &* 40_503) % 997) / 3 - 166 }
    var (pairs, singles) = (Float(0), Float(0))
    for index in 0..<count {
      pairs += left[index] * right[index]
      singles += left[index]
    }
    let shape = Shape(extents)
    let tensors = [try Tensor(shape: shape, left), try Tensor(shape: shape, right)]
    let products = try OperatorRunner.run("Einsum", tensors, ["equation": .string("abc,abc->")])
    #expect(products == [floats([], [pairs])])
    let sum = try OperatorRunner.run("Einsum", [tensors[0]], ["equation": .string("abc->")])
    #expect(sum == [floats([], [singles])])
  }

  @Test func einsum() throws {
    let a = floats([2, 2], [1, 2, 3, 4])
    let b = floats([2, 2], [5, 6, 7, 8])
    func run(_ equation: String, _ inputs: [Tensor]) throws -> Tensor {
      try OperatorRunner.run("Einsum", inputs, ["equation": .string(equation)])[0]
    }
    #expect(try run("ij,jk->ik", [a, b]) == floats([2, 2], [19, 22, 43, 50]))
    #expect(try run("ij->ji", [a]) == floats([2, 2], [1, 3, 2, 4]))
    #expect(try run("ii->i", [a]) == floats([2], [1, 4]))
    #expect(try run("ii", [a]) == floats([], [5]))
    #expect(try run("...j,...j", [a, b]) == floats([2], [17, 53]))
    #expect(try run("i,j->ij", [floats([2], [1, 2]), floats([1], [3])]) == floats([2, 1], [3, 6]))
  }

  @Test func determinants() throws {
    let x = floats([3, 2, 2], [1, 2, 3, 4, 0, 1, 1, 0, 1, 2, 2, 4])
    #expect(try OperatorRunner.run("Det", [x]) == [floats([3], [-2, -1, 0])])
  }
}
