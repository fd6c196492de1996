import GraphIR
import Tensors
import Testing

@testable import Compression

@Suite struct ChannelGroupTests {
  enum Net: CaseIterable {
    case mlp, transposedMLP, cnn, residual, depthwise, concat, split, heads, excitation

    /// Name and count of the groups, in order.
    var groups: [(String, Int)] {
      switch self {
      case .mlp, .transposedMLP: [("fc1", 16)]
      case .cnn: [("conv1", 4)]
      case .residual: [("stem", 8), ("inner", 6)]
      case .depthwise: [("expand", 8)]
      case .concat: [("left", 4), ("right", 6)]
      case .split: [("wide", 4)]
      case .heads: [("q", 4)]
      case .excitation: [("conv", 8), ("squeeze", 2)]
      }
    }

    var inputShape: Shape {
      switch self {
      case .mlp, .transposedMLP: [3, 8]
      case .cnn: [3, 2, 6, 6]
      case .heads: [3, 5, 8]
      default: [3, 2, 4, 4]
      }
    }

    func model() throws -> Model {
      switch self {
      case .mlp: return try TestModels.mlp()
      case .transposedMLP: return try TestModels.mlp(isTransposed: true)
      case .cnn: return try TestModels.cnn()
      default: break
      }
      var net = NetBuilder(self == .heads ? [5, 8] : [2, 4, 4])
      switch self {
      case .residual:
        let stem = try net.convolution("stem", net.x, [8, 2, 1, 1])
        let inner = try net.convolution("inner", net.node("Relu", "r1", [stem]), [6, 8, 3, 3], pads: 1)
        let outer = try net.convolution("outer", net.node("Relu", "r2", [inner]), [8, 6, 1, 1])
        let sum = net.node("Add", "sum", [stem, outer])
        let head = try net.convolution("head", sum, [3, 8, 1, 1])
        return net.model(head, [3, 4, 4])
      case .depthwise:
        let expanded = try net.convolution("expand", net.x, [8, 2, 1, 1])
        let scale = try net.builder.constant("bn.scale", [8], seed: 31)
        let shift = try net.builder.constant("bn.shift", [8], seed: 32)
        let mean = try net.builder.constant("bn.mean", [8], seed: 33)
        let variance = net.builder.constant("bn.var", try Tensor(shape: [8], [Float](repeating: 2, count: 8)))
        let normal = net.node("BatchNormalization", "bn", [expanded, scale, shift, mean, variance])
        let deep = try net.convolution("depthwise", normal, [8, 1, 3, 3], pads: 1, groups: 8)
        let slope = try net.builder.constant("slope", [8, 1, 1], seed: 34)
        let activated = net.node("PRelu", "prelu", [deep, slope])
        let head = try net.convolution("project", activated, [3, 8, 1, 1])
        return net.model(head, [3, 4, 4])
      case .concat:
        let left = try net.convolution("left", net.x, [4, 2, 1, 1])
        let right = try net.convolution("right", net.x, [6, 2, 1, 1])
        let joined = net.node("Concat", "joined", [left, net.x, right], ["axis": .int(1)])
        let head = try net.convolution("head", joined, [3, 12, 1, 1])
        return net.model(head, [3, 4, 4])
      case .split:
        let wide = try net.convolution("wide", net.x, [8, 2, 1, 1])
        let parts = net.split("parts", wide, count: 2)
        let gated = net.node("Mul", "gated", [parts[0], net.node("Sigmoid", "gate", [parts[1]])])
        let head = try net.convolution("head", gated, [3, 4, 1, 1])
        return net.model(head, [3, 4, 4])
      case .heads:
        return try net.attention()
      default:
        let features = try net.convolution("conv", net.x, [8, 2, 1, 1])
        let pooled = net.node("GlobalAveragePool", "pool", [features])
        let small = net.node("Relu", "r", [try net.convolution("squeeze", pooled, [2, 8, 1, 1])])
        let gate = net.node("HardSigmoid", "gate", [try net.convolution("excite", small, [8, 2, 1, 1])])
        let scaled = net.node("Mul", "scaled", [features, gate])
        let flat = net.node("Flatten", "flat", [scaled])
        let weight = try net.builder.constant("fc.weight", [128, 3], seed: 50)
        let product = net.node("MatMul", "fc", [flat, weight])
        return net.model(product, [3])
      }
    }
  }

  @Test(arguments: Net.allCases)
  func groupsAreFound(net: Net) throws {
    let groups = ChannelGroups(try net.model()).groups
    #expect(groups.map { "\($0.name) \($0.count)" } == net.groups.map { "\($0.0) \($0.1)" })
  }

  /// Removing channels gives what the whole model gives when their consumers do not listen to them.
  @Test(arguments: Net.allCases)
  func removedChannelsAreThoseThatNobodyHears(net: Net) throws {
    let model = try net.model()
    let x = try Tensor(shape: net.inputShape, TestModels.numbers(net.inputShape.elementCount, seed: 70))
    let channels = ChannelGroups(model)
    for (number, group) in channels.groups.enumerated() {
      let kept = (0..<group.count).filter { $0 % 2 == 1 }
      var deaf = model
      for consumer in group.consumers {
        let place = group.places[consumer.place]
        let silent = Set(
          place.positions.indices.filter { !kept.contains($0) }.flatMap { place.positions[$0] })
        guard let weight = deaf.graph[place.value].constant else { continue }
        var numbers = weight.array(of: Float.self)
        let run = weight.shape.product(place.axis + 1..<weight.shape.rank)
        for index in numbers.indices where silent.contains(index / run % weight.shape[place.axis]) {
          numbers[index] = 0
        }
        deaf.graph[place.value].constant = try Tensor(shape: weight.shape, numbers)
      }
      let sliced = try channels.slicing(number, keeping: kept, in: model)
      let wanted = try TestModels.run(deaf, x).array(of: Float.self)
      let given = try TestModels.run(sliced, x).array(of: Float.self)
      #expect(zip(wanted, given).allSatisfy { abs($0 - $1) <= 1e-4 * max(1, abs($0)) })
      #expect(wanted.count == given.count)
      let again = ChannelGroups(sliced).groups
      #expect(again.contains { $0.name == group.name && $0.count == kept.count })
    }
  }

  @Test func keepingAllChangesNothing() throws {
    let model = try Net.residual.model()
    let channels = ChannelGroups(model)
    let same = try channels.slicing(0, keeping: Array(0..<8), in: model)
    #expect(same.graph.values.map(\.constant?.shape) == model.graph.values.map(\.constant?.shape))
  }

  /// Each of these reads channels in a way that no rule follows.
  @Test(arguments: ["Softmax", "LayerNormalization", "output", "unknown"])
  func channelsThatMustStay(reader: String) throws {
    var net = NetBuilder([8])
    let weight = try net.builder.constant("fc1.weight", [8, 16], seed: 1)
    let second = try net.builder.constant("fc2.weight", [16, 4], seed: 2)
    var hidden = net.node("MatMul", "fc1", [net.x, weight])
    switch reader {
    case "Softmax": hidden = net.node("Softmax", "softmax", [hidden])
    case "LayerNormalization":
      hidden = net.node(
        "LayerNormalization", "norm", [hidden, try net.builder.constant("norm.scale", [16], seed: 3)])
    case "unknown": _ = net.node("com.example.Unknown", "other", [hidden])
    default: break
    }
    let out = net.node("MatMul", "fc2", [hidden, second])
    let model = reader == "output" ? net.model(hidden, [16]) : net.model(out, [4])
    #expect(ChannelGroups(model).groups.isEmpty)
  }

  /// The order of channels, and hence of what is kept, is the weight's.
  @Test func slicesOfTensors() throws {
    let tensor = try Tensor(shape: [2, 3, 2], (0..<12).map { Int32($0) })
    let kept = try ChannelSlicing.keep([2, 0], axis: 1, of: tensor)
    #expect(kept.shape == [2, 2, 2])
    #expect(kept.array(of: Int32.self) == [4, 5, 0, 1, 10, 11, 6, 7])
    #expect(try ChannelSlicing.keep([], axis: 0, of: tensor).shape == [0, 3, 2])
  }
}

/// Convolutions on `x [batch, …]`.
private struct NetBuilder {
  var builder = GraphBuilder()
  let x: ValueID
  private var seed: UInt64 = 100

  init(_ inner: [Int]) { x = builder.input("x", [.symbol("batch")] + inner.map { .known($0) }) }

  mutating func node(_ op: OperatorName, _ name: String, _ inputs: [ValueID], _ attributes: Attributes = [:])
    -> ValueID
  {
    builder.node(op, name, inputs, attributes)
  }

  mutating func convolution(
    _ name: String, _ input: ValueID, _ shape: Shape, pads: Int = 0, groups: Int = 1
  ) throws -> ValueID {
    seed += 2
    let weight = try builder.constant("\(name).weight", shape, seed: seed)
    let bias = try builder.constant("\(name).bias", [shape[0]], seed: seed + 1)
    return builder.node(
      "Conv", name, [input, weight, bias],
      ["group": .int(groups), "pads": .ints([Int](repeating: pads, count: 4))])
  }

  mutating func split(_ name: String, _ input: ValueID, count: Int) -> [ValueID] {
    builder.node("Split", name, [input], outputs: count, ["axis": .int(1)])
  }

  /// Four heads of 2 features each over 5 tokens.
  mutating func attention() throws -> Model {
    let shape = builder.constant("shape", try Tensor(shape: [4], [0, 0, 4, 2] as [Int64]))
    func heads(_ name: String, _ seed: UInt64, _ permutation: [Int]) throws -> ValueID {
      let weight = try builder.constant("\(name).weight", [8, 8], seed: seed)
      let bias = try builder.constant("\(name).bias", [8], seed: seed + 1)
      let product = node("MatMul", name, [x, weight])
      let sum = node("Add", "\(name).sum", [product, bias])
      let parts = node("Reshape", "\(name).parts", [sum, shape])
      return node("Transpose", "\(name).turned", [parts], ["perm": .ints(permutation)])
    }
    let q = try heads("q", 60, [0, 2, 1, 3])
    let k = try heads("k", 62, [0, 2, 3, 1])
    let v = try heads("v", 64, [0, 2, 1, 3])
    let scores = node("Softmax", "softmax", [node("MatMul", "scores", [q, k])], ["axis": .int(-1)])
    let mixed = node(
      "Transpose", "mixed", [node("MatMul", "context", [scores, v])], ["perm": .ints([0, 2, 1, 3])])
    let flat = builder.constant("flat", try Tensor(shape: [3], [0, 0, 8] as [Int64]))
    let joined = node("Reshape", "joined", [mixed, flat])
    let weight = try builder.constant("out.weight", [8, 4], seed: 66)
    let product = node("MatMul", "out", [joined, weight])
    return model(product, [5, 4])
  }

  func model(_ output: ValueID, _ inner: [Int]) -> Model {
    builder.model(output: output, [.symbol("batch")] + inner.map { .known($0) })
  }
}
