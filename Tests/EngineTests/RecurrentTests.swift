import GraphIR
import Tensors
import Testing

/// RNN, GRU and LSTM against their equations, written out element by element in double precision.
@Suite struct RecurrentTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let op: OperatorName
    var direction = "forward"
    var layout = 0
    var isLinear = 0
    var couples = 0
    var clip: Float?
    var lengths: [Int32]?
    var steps = 4
    var batch = 3
    var hidden = 5

    var gates: Int { op.type == "RNN" ? 1 : op.type == "GRU" ? 3 : 4 }
    var directions: Int { direction == "bidirectional" ? 2 : 1 }
    var testDescription: String {
      "\(op) \(direction) layout \(layout) linear \(isLinear) coupled \(couples) \(lengths ?? [])"
    }
  }

  static let cases: [Case] = ["RNN", "GRU", "LSTM"].flatMap { (name: String) -> [Case] in
    let op = OperatorName(type: name)
    return [
      Case(op: op), Case(op: op, direction: "reverse"), Case(op: op, direction: "bidirectional"),
      Case(op: op, direction: "bidirectional", layout: 1, lengths: [4, 0, 2]),
      Case(op: op, direction: "reverse", clip: 0.2, lengths: [1, 3, 4]),
      Case(op: op, isLinear: 1, couples: 1), Case(op: op, steps: 1, batch: 1, hidden: 1),
      Case(op: op, direction: "bidirectional", steps: 7, batch: 9, hidden: 17),
    ]
  }

  @Test(arguments: cases, [Set<Int>(), [1, 2]]) func equations(item: Case, constants: Set<Int>) throws {
    let inputSize = 2
    let (d, h, b, t, g) = (item.directions, item.hidden, item.batch, item.steps, item.gates)
    var numbers = NumberSequence(seed: 7)
    func state() throws -> Tensor { try numbers.tensor(item.layout == 0 ? [d, b, h] : [b, d, h]) }
    let x = try numbers.tensor(item.layout == 0 ? [t, b, inputSize] : [b, t, inputSize])
    var inputs: [Tensor?] = [
      x, try numbers.tensor([d, g * h, inputSize]), try numbers.tensor([d, g * h, h]),
      try numbers.tensor([d, 2 * g * h]), try item.lengths.map { try Tensor(shape: [b], $0) }, try state(),
    ]
    var attributes: Attributes = [
      "direction": .string(item.direction), "layout": .int(item.layout), "hidden_size": .int(h),
    ]
    if let clip = item.clip { attributes["clip"] = .float(clip) }
    if item.op.type == "GRU" { attributes["linear_before_reset"] = .int(item.isLinear) }
    if item.op.type == "LSTM" {
      attributes["input_forget"] = .int(item.couples)
      inputs += [try state(), try numbers.tensor([d, 3 * h])]
    }
    let expected = RecurrentReference(item: item, inputSize: inputSize, inputs: inputs).run()
    for threads in [1, 3] {
      let outputs = try OperatorRunner.run(
        item.op, inputs, outputs: item.op.type == "LSTM" ? 3 : 2, attributes, constants: constants,
        threads: threads)
      for (output, wanted) in zip(outputs, expected) {
        let actual = output.array(of: Float.self)
        #expect(actual.count == wanted.count)
        #expect(zip(actual, wanted).allSatisfy { abs(Double($0) - $1) < 1e-5 })
      }
    }
    let doubles = try inputs.map { tensor -> Tensor? in
      guard let tensor, tensor.type == .float32 else { return tensor }
      return try Tensor(shape: tensor.shape, tensor.array(of: Float.self).map(Double.init))
    }
    let outputs = try OperatorRunner.run(
      item.op, doubles, outputs: item.op.type == "LSTM" ? 3 : 2, attributes, constants: constants, threads: 2)
    for (output, wanted) in zip(outputs, expected) {
      let actual = output.array(of: Double.self)
      #expect(actual.count == wanted.count)
      #expect(zip(actual, wanted).allSatisfy { abs($0 - $1) < 1e-12 })
    }
  }

  @Test(arguments: [
    ("Relu", -2, 0), ("Tanh", 0.5, 0.46211715726000975), ("Sigmoid", 1, 0.7310585786300049),
    ("Softplus", 1, 1.3132616875182228), ("Softsign", -3, -0.75), ("LeakyRelu", -2, -0.02),
    ("HardSigmoid", 1, 0.7), ("Elu", -1, -0.6321205588285577), ("ThresholdedRelu", 0.5, 0),
    ("ScaledTanh", 0.5, 0.46211715726000975), ("Affine", 2, 2),
  ])
  func activationsInDouble(name: String, x: Double, expected: Double) throws {
    func one(_ value: Double) throws -> Tensor { try Tensor(shape: [1, 1, 1], [value]) }
    let result = try OperatorRunner.run(
      "RNN", [try one(x), try one(1), try one(0)], ["activations": .strings([name])])
    #expect(abs(result[0].array(of: Double.self)[0] - expected) < 1e-7)
  }

  @Test func activationsTakeTheirAlphasInOrder() throws {
    let result = try OperatorRunner.run(
      "RNN", [floats([1, 1, 1], [3]), floats([1, 1, 1], [1]), floats([1, 1, 1], [0])],
      [
        "activations": .strings(["Affine"]), "activation_alpha": .floats([2]),
        "activation_beta": .floats([0.5]),
      ]
    )
    #expect(result == [floats([1, 1, 1, 1], [6.5])])
  }

  @Test func unknownActivationIsRefused() {
    #expect(throws: (any Error).self) {
      try OperatorRunner.run(
        "RNN", [floats([1, 1, 1], [3]), floats([1, 1, 1], [1]), floats([1, 1, 1], [0])],
        ["activations": .strings(["Swirl"])])
    }
  }
}
