import GraphIR
import Tensors
import Testing

@testable import Engine

/// Forms of constant float32 matrices: which is taken, and that all give the same.
@Suite struct WeightFormTests {
  enum Pattern: CaseIterable {
    case anywhere, oneBy16, oneBy4, twoOfFour, nothing, everything

    func keeps(_ k: Int, _ column: Int, _ random: Float) -> Bool {
      func coin(_ a: Int, _ b: Int) -> Bool { (a &* 7919 &+ b &* 104_729) % 10 == 0 }
      return switch self {
      case .anywhere: random > 0.8
      case .oneBy16: coin(k, column / 16)
      case .oneBy4: coin(k, column / 4)
      case .twoOfFour: (k + column) % 4 < 2
      case .nothing: false
      case .everything: true
      }
    }
  }

  private static func weight(_ pattern: Pattern, _ depth: Int, _ columns: Int) throws -> Tensor {
    var numbers = NumberSequence(seed: 11)
    var values: [Float] = []
    for k in 0..<depth {
      for column in 0..<columns {
        let value = numbers.next()
        values.append(pattern.keeps(k, column, numbers.next()) ? value : 0)
      }
    }
    return try Tensor(shape: [depth, columns], values)
  }

  /// Two products, by MatMul and by Gemm of a transposed weight, each with bias and activation.
  private static func layers(_ pattern: Pattern) throws -> GraphBuilder {
    var numbers = NumberSequence(seed: 12)
    let (depth, columns) = (83, 150)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(depth)])
    let first = builder.node("MatMul", [x, builder.constant(try weight(pattern, depth, columns))])[0]
    let bias = builder.constant(try numbers.tensor([columns]))
    let hidden = builder.node("Relu", [builder.node("Add", [first, bias])[0]])[0]
    let gemm = builder.node(
      "Gemm",
      [
        hidden, builder.constant(try weight(pattern, 70, columns)),
        builder.constant(try numbers.tensor([70])),
      ],
      attributes: ["transB": .int(1), "alpha": .float(0.5)])[0]
    builder.output(builder.node("Sigmoid", [gemm])[0])
    return builder
  }

  private static func run(_ program: Program, _ x: Tensor, threads: Int) throws -> [UInt32] {
    try Session(program, team: ThreadTeam(threads: threads)).run([x])[0].array(of: Float.self).map(
      \.bitPattern)
  }

  @Test(arguments: Pattern.allCases, WeightFormKind.allCases) func everyFormGivesTheSameBits(
    pattern: Pattern, form: WeightFormKind
  ) throws {
    let builder = try Self.layers(pattern)
    let dense = try builder.program(weightForm: .dense)
    let program = try builder.program(weightForm: form)
    var numbers = NumberSequence(seed: 13)
    for rows in [1, 2, 5, 8, 31, 33, 65, 130] {
      let x = try numbers.tensor([rows, 83])
      let expected = try Self.run(dense, x, threads: 1)
      for threads in [1, 3] {
        let isEqual = try Self.run(program, x, threads: threads) == expected
        #expect(isEqual, "\(rows) rows, \(threads) threads")
      }
    }
  }

  /// 1 x 1 filters, with the channels last inside.
  @Test(arguments: Pattern.allCases, WeightFormKind.allCases) func pointwiseConvolutionsAreProducts(
    pattern: Pattern, form: WeightFormKind
  ) throws {
    var numbers = NumberSequence(seed: 14)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(24), .known(6), .known(5)])
    let filters = builder.constant(try Self.weight(pattern, 40, 24).reshaped(to: [40, 24, 1, 1]))
    let conv = builder.node("Conv", [x, filters, builder.constant(try numbers.tensor([40]))])[0]
    builder.output(builder.node("Relu", [conv])[0])
    let program = try builder.program(weightForm: form)
    let dense = try builder.program(weightForm: .dense)
    for batch in [1, 3] {
      let x = try numbers.tensor([batch, 24, 6, 5])
      let expected = try Self.run(dense, x, threads: 1)
      for threads in [1, 3] {
        let isEqual = try Self.run(program, x, threads: threads) == expected
        #expect(isEqual, "batch \(batch), \(threads) threads")
      }
    }
  }

  @Test(arguments: WeightFormKind.allCases) func profileNamesTheForm(_ form: WeightFormKind) throws {
    // The one pattern that every form takes.
    let session = Session(
      try Self.layers(.twoOfFour).program(weightForm: form), team: ThreadTeam(threads: 1))
    let profiler = Profiler()
    session.profiler = profiler
    var numbers = NumberSequence(seed: 1)
    _ = try session.run([try numbers.tensor([4, 83])])
    let wanted = [
      "dense": "gemm_f32", "sparse": "gemm_sparse_f32", "sparseColumns": "gemm_sparse_columns_f32",
      "sparseQuads": "gemm_sparse_quads_f32", "sparsePanel": "gemm_sparse_panel_f32",
      "twoOfFour": "gemm_2of4_f32",
    ]
    for entry in profiler.entries where entry.op.hasSuffix("MatMul") || entry.op.hasSuffix("Gemm") {
      #expect(entry.kernel.hasPrefix(wanted[form.rawValue]! + " "), "\(entry.kernel)")
    }
    #expect(!profiler.entries.isEmpty)
  }

  @Test func densityIsCounted() throws {
    func density(_ pattern: Pattern) throws -> WeightDensity {
      WeightDensity(
        WeightMatrix(
          tensor: try Self.weight(pattern, 80, 160), depth: 80, columns: 160, kStride: 160, nStride: 1))
    }
    #expect(try density(.everything) == WeightDensity(elements: 1, quads: 1, panelRows: 1))
    #expect(try density(.nothing) == WeightDensity(elements: 0, quads: 0, panelRows: 0))
    #expect(
      try density(.twoOfFour) == WeightDensity(elements: 0.5, quads: 1, panelRows: 1, isTwoOfFour: true))
    #expect(try !density(.anywhere).isTwoOfFour)
    let blocks = try density(.oneBy16)
    #expect(blocks.elements == blocks.panelRows)
    #expect(blocks.panelRows > 0 && blocks.panelRows < 0.3)
  }

  /// 8-bit weights without their zeros, dynamic and static, against all of them.
  @Test(arguments: Pattern.allCases, [true, false]) func sparse8BitWeightsGiveTheSame(
    pattern: Pattern, isDynamic: Bool
  ) throws {
    let builder = try Self.quantizedLayer(pattern, isDynamic: isDynamic)
    let dense = try builder.program(weightForm: .dense)
    var numbers = NumberSequence(seed: 15)
    for (form, kernel) in [
      (WeightFormKind.sparseColumns, "gemm_sparse_i8 "), (.sparse, "gemm_sparse_rows_i8 "),
    ] {
      let sparse = try builder.program(weightForm: form)
      for rows in [1, 2, 9, 40, 131] {
        let x = try numbers.tensor([rows, 83])
        let expected = try Self.run(dense, x, threads: 1)
        for threads in [1, 3] {
          let isEqual = try Self.run(sparse, x, threads: threads) == expected
          #expect(isEqual, "\(form), \(rows) rows, \(threads) threads")
        }
      }
      let session = Session(sparse, team: ThreadTeam(threads: 1))
      let profiler = Profiler()
      session.profiler = profiler
      _ = try session.run([try numbers.tensor([4, 83])])
      let isThere = profiler.entries.contains { $0.kernel.hasPrefix(kernel) }
      #expect(isThere, "\(form)")
    }
  }

  /// A product with an 8-bit weight, bias and Relu.
  private static func quantizedLayer(_ pattern: Pattern, isDynamic: Bool) throws -> GraphBuilder {
    var numbers = NumberSequence(seed: 15)
    let (depth, columns) = (83, 150)
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(depth)])
    let codes = try Self.weight(pattern, depth, columns).array(of: Float.self).map { Int8($0 * 127) }
    let w = builder.constant(try Tensor(shape: [depth, columns], codes))
    let scale = builder.constant(try Tensor(shape: [columns], (0..<columns).map { Float($0 + 1) / 1000 }))
    let bias = builder.constant(try numbers.tensor([columns]))
    var product: ValueID
    if isDynamic {
      let q = builder.node("DynamicQuantizeLinear", [x], outputs: 3)
      let sum = builder.node("MatMulInteger", [q[0], w, q[2]])[0]
      let float = builder.node("Cast", [sum], attributes: ["to": .int(1)])[0]
      product = builder.node("Mul", [float, builder.node("Mul", [q[1], scale])[0]])[0]
    } else {
      let parameters = [
        builder.constant(try Tensor(scalar: Float(1) / 64)), builder.constant(try Tensor(scalar: UInt8(120))),
      ]
      let q = builder.node("QuantizeLinear", [x] + parameters)[0]
      let float = builder.node("DequantizeLinear", [q] + parameters)[0]
      let weight = builder.node("DequantizeLinear", [w, scale], attributes: ["axis": .int(1)])[0]
      product = builder.node("MatMul", [float, weight])[0]
    }
    product = builder.node("Add", [product, bias])[0]
    builder.output(builder.node("Relu", [product])[0])
    return builder
  }

  /// The form for many rows is kept for fewer unless another one is clearly faster there; it is the dense one unless
  /// another one is clearly faster.
  @Test func choiceFollowsTheTimes() {
    let classes = WeightChoice.rowClasses.count
    let even = [Int](repeating: 100, count: classes)
    func choice(_ sparse: [Int]) -> [WeightFormKind] {
      WeightChoice(fastestOf: [.dense, .sparse], times: [even, sparse]).kinds
    }
    #expect(choice(even.map { $0 + 1 }) == even.map { _ in .dense })
    #expect(choice(even.map { $0 - 4 }) == even.map { _ in .dense })
    #expect(choice(even.map { $0 - 6 }) == even.map { _ in .sparse })
    #expect(
      choice([200] + even.dropFirst().map { $0 / 2 }) == [.dense] + even.dropFirst().map { _ in .sparse })
    #expect(choice([105] + even.dropFirst().map { $0 / 2 }) == even.map { _ in .sparse })
    #expect(WeightChoice.rowClass(1) == 0)
    #expect(WeightChoice.rowClass(63) == classes - 2)
    #expect(WeightChoice.rowClass(4096) == classes - 1)
  }

  /// A sparse weight that is measured gives what the dense one gives, and is measured once for its shape.
  @Test func measuredChoiceGivesTheSame() throws {
    var builder = GraphBuilder()
    let x = builder.input("x", .float32, [.symbol("n"), .known(256)])
    builder.output(builder.node("MatMul", [x, builder.constant(try Self.weight(.oneBy16, 256, 320))])[0])
    let program = try builder.program()
    let dense = try builder.program(weightForm: .dense)
    var numbers = NumberSequence(seed: 13)
    for rows in [1, 9, 40] {
      let x = try numbers.tensor([rows, 256])
      let isEqual = try Self.run(program, x, threads: 2) == Self.run(dense, x, threads: 1)
      #expect(isEqual)
    }
  }
}
