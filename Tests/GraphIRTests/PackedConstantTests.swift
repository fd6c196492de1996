import GraphIR
import Tensors
import Testing

@Suite struct PackedConstantTests {
  /// The nodes behind a mask, and what of them a test changes.
  private struct Masked {
    var mask: [UInt8]
    var values: Tensor
    var count: Int
    var shape: [Int]
    var integer = ElementType.int32
    var storesColumn = false
    var shifts: [UInt8] = Array(0..<8)
    var direction = "RIGHT"
    var exclusive = 0

    /// Bits where `elements` differ from the first of `values`.
    init(_ elements: [Float], shape: [Int]) throws {
      count = elements.count
      self.shape = shape
      mask = [UInt8](repeating: 0, count: (count + 7) / 8)
      var kept: [Float] = [0]
      for (index, element) in elements.enumerated() where element != 0 {
        mask[index / 8] |= 1 << UInt8(index % 8)
        kept.append(element)
      }
      values = try Tensor(shape: [kept.count], kept)
    }

    func add(to builder: inout GraphBuilder, giving result: String) throws {
      try addBits(to: &builder, integer)
      builder.constant("axis", try Tensor(scalar: Int64(0)))
      builder.node("CumSum", ["bits", "axis"], ["ranks"], ["exclusive": .int(exclusive)])
      builder.node("Mul", ["ranks", "bits"], ["places"])
      builder.constant("values", values)
      builder.node("Gather", ["values", "places"], ["flat"], ["axis": .int(0)])
      try builder.constant("shape", ints: shape)
      builder.node("Reshape", ["flat", "shape"], [result])
    }

    func addBits(to builder: inout GraphBuilder, _ type: ElementType) throws {
      builder.constant("mask", try Tensor(shape: storesColumn ? [mask.count, 1] : [mask.count], mask))
      if !storesColumn {
        try builder.constant("one_axis", ints: [1])
        builder.node("Unsqueeze", ["mask", "one_axis"], ["column"])
      }
      builder.constant("shifts", try Tensor(shape: [shifts.count], shifts))
      builder.node(
        "BitShift", [storesColumn ? "mask" : "column", "shifts"], ["shifted"],
        ["direction": .string(direction)])
      builder.constant("one", try Tensor(scalar: UInt8(1)))
      builder.node("BitwiseAnd", ["shifted", "one"], ["masked"])
      try builder.constant("line", ints: [-1])
      builder.node("Reshape", ["masked", "line"], ["long"])
      try builder.constant("start", ints: [0])
      try builder.constant("end", ints: [count])
      builder.node("Slice", ["long", "start", "end"], ["cut"])
      builder.node("Cast", ["cut"], ["bits"], ["to": .int(type.onnxNumber)])
    }
  }

  private func expand(_ builder: GraphBuilder, changes: Int) throws -> Graph {
    var model = builder.model()
    try model.graph.inferTypes()
    #expect(try Passes.expandPackedConstants(&model) == changes)
    try model.verify()
    return model.graph
  }

  private func weights(_ count: Int) -> [Float] { (0..<count).map { $0 % 3 == 1 ? 0 : Float($0) - 4 } }

  @Test(arguments: [1, 7, 8, 9, 63, 64, 65, 1000], [false, true])
  func maskedValues(_ count: Int, _ storesColumn: Bool) throws {
    var masked = try Masked(weights(count), shape: [1, count])
    masked.storesColumn = storesColumn
    masked.integer = storesColumn ? .int64 : .int32
    var builder = GraphBuilder()
    try masked.add(to: &builder, giving: "w")
    builder.output("w")
    let graph = try expand(builder, changes: 1)
    #expect(graph.operators == ["Reshape"])
    #expect(graph.value("flat")?.constant?.array(of: Float.self) == weights(count))
    #expect(graph.value("mask") == nil)
  }

  @Test(arguments: [ElementType.int8, .uint8, .float16, .int64]) func widthsOfValues(_ type: ElementType)
    throws
  {
    var masked = try Masked([0, 5, 0, 7, 0, 0, 0, 0, 0, 9], shape: [2, 5])
    let expected: Tensor
    switch type {
    case .int8:
      masked.values = try Tensor(shape: [4], [Int8(-1), 5, 7, 9])
      expected = try Tensor(shape: [10], [Int8(-1), 5, -1, 7, -1, -1, -1, -1, -1, 9])
    case .uint8:
      masked.values = try Tensor(shape: [4], [UInt8(128), 5, 7, 9])
      expected = try Tensor(shape: [10], [UInt8(128), 5, 128, 7, 128, 128, 128, 128, 128, 9])
    case .float16:
      masked.values = try Tensor(shape: [4], [Float16(0), 5, 7, 9])
      expected = try Tensor(shape: [10], [Float16(0), 5, 0, 7, 0, 0, 0, 0, 0, 9])
    default:
      masked.values = try Tensor(shape: [4], [0, 5, 7, 9])
      expected = try Tensor(shape: [10], [0, 5, 0, 7, 0, 0, 0, 0, 0, 9])
    }
    var builder = GraphBuilder()
    try masked.add(to: &builder, giving: "w")
    builder.output("w")
    #expect(try expand(builder, changes: 1).value("flat")?.constant == expected)
  }

  /// A mask, a table or a form that does not fit stays for the run to judge.
  @Test(arguments: ["few values", "shifts", "direction", "exclusive", "given", "no values"])
  func staysPacked(_ why: String) throws {
    var masked = try Masked(weights(20), shape: [4, 5])
    switch why {
    case "few values": masked.values = try Tensor(shape: [3], [Float(0), 1, 2])
    case "no values": masked.values = try Tensor(shape: [0], [Float]())
    case "shifts": masked.shifts[7] = 6
    case "direction": masked.direction = "LEFT"
    case "exclusive": masked.exclusive = 1
    default: break
    }
    var builder = GraphBuilder()
    if why == "given" { try builder.input("mask", "u8[3]") }
    try masked.add(to: &builder, giving: "w")
    builder.output("w")
    let before = builder.graph.operators
    #expect(try expand(builder, changes: 0).operators == before)
  }

  /// The vector ends with the mask, as when it is computed; its Reshape does not fit then.
  @Test func shortMask() throws {
    var masked = try Masked(weights(20), shape: [4, 5])
    masked.mask.removeLast()
    var builder = GraphBuilder()
    try masked.add(to: &builder, giving: "w")
    builder.output("w")
    var model = builder.model()
    #expect(try Passes.expandPackedConstants(&model) == 1)
    #expect(model.graph.value("flat")?.constant?.array(of: Float.self) == Array(weights(20).prefix(16)))
    #expect(throws: GraphError.self) { try model.graph.inferTypes() }
  }

  @Test(arguments: [ElementType.uint8, .uint4, .uint2]) func tables(_ type: ElementType) throws {
    var codes = try Tensor(type: type, shape: [3, 5])
    let places = (0..<15).map { $0 * 7 % 4 }
    codes.withMutableBytes { bytes in
      for (index, place) in places.enumerated() {
        let bit = index * type.bitWidth
        bytes[bit / 8] |= UInt8(place << (bit % 8))
      }
    }
    var builder = GraphBuilder()
    builder.constant("codes", codes)
    try builder.constant("table", [0.5, -1, 3, 8])
    builder.node("Cast", ["codes"], ["places"], ["to": .int(ElementType.int32.onnxNumber)])
    builder.node("Gather", ["table", "places"], ["w"])
    builder.output("w")
    let graph = try expand(builder, changes: 1)
    #expect(graph.nodes.isEmpty)
    let table: [Float] = [0.5, -1, 3, 8]
    #expect(graph.value("w")?.constant == (try Tensor(shape: [3, 5], places.map { table[$0] })))
  }

  @Test(arguments: ["code beyond", "negative code", "long table", "matrix", "axis"])
  func tablesThatStay(_ why: String) throws {
    var builder = GraphBuilder()
    builder.constant(
      "codes",
      why == "negative code"
        ? try Tensor(shape: [2], [Int8(-1), 0])
        : try Tensor(shape: [2], [why == "code beyond" ? UInt8(4) : 3, 0]))
    let count = why == "long table" ? 257 : 4
    try builder.constant(
      "table", [Float](repeating: 1, count: count), why == "matrix" ? [4, 1] : [count])
    builder.node("Cast", ["codes"], ["places"], ["to": .int(ElementType.int64.onnxNumber)])
    builder.node("Gather", ["table", "places"], ["w"], ["axis": .int(why == "axis" ? -1 : 0)])
    builder.output("w")
    // The last axis of a vector is its first one.
    #expect(try expand(builder, changes: why == "axis" ? 1 : 0).nodes.count == (why == "axis" ? 0 : 2))
  }

  @Test func singleBitsAsFloats() throws {
    let masked = try Masked([1, 0, 0, 1, 1, 0, 0, 0, 1, 0], shape: [2, 5])
    var builder = GraphBuilder()
    try masked.addBits(to: &builder, .float32)
    try builder.constant("factor", [0.5], [])
    builder.node("Mul", ["bits", "factor"], ["w"])
    builder.output("w")
    let graph = try expand(builder, changes: 1)
    #expect(graph.operators == ["Mul"])
    #expect(graph.value("bits")?.constant?.array(of: Float.self) == [1, 0, 0, 1, 1, 0, 0, 0, 1, 0])
  }

  @Test func inABody() throws {
    var body = GraphBuilder()
    try Masked(weights(20), shape: [4, 5]).add(to: &body, giving: "w")
    body.output("w")
    var builder = GraphBuilder()
    try builder.input("condition", "bool[]")
    builder.node(
      "If", ["condition"], ["y"], ["then_branch": .graph(body.graph), "else_branch": .graph(body.graph)])
    builder.output("y")
    let graph = try expand(builder, changes: 2)
    #expect(graph.nodes[0].bodies.map(\.operators) == [["Reshape"], ["Reshape"]])
  }

  /// Many readers of one mask would take any amount of memory.
  @Test func growthIsBounded() throws {
    var builder = GraphBuilder()
    let count = 1 << 20
    builder.constant("codes", try Tensor(shape: [count], [UInt8](repeating: 1, count: count)))
    let readers = 50
    for reader in 0..<readers {
      try builder.constant("table\(reader)", [0, Float(reader)])
      builder.node("Cast", ["codes"], ["places\(reader)"], ["to": .int(ElementType.int32.onnxNumber)])
      builder.node("Gather", ["table\(reader)", "places\(reader)"], ["w\(reader)"])
      builder.output("w\(reader)")
    }
    var model = builder.model()
    let changes = try Passes.expandPackedConstants(&model)
    // 32 MiB for what the codes take and 16 MiB on top, at 4 MiB each.
    #expect(changes == 12)
  }
}
