import GraphIR
import Tensors

/// What the elements of an input stand for, as far as the graph tells.
enum InputMeaning: Equatable {
  /// Places in a table of so many rows.
  case index(rows: Int)
  /// Something that the graph compares with this number.
  case equal(to: Int)
  /// Nothing is known but the name.
  case unknown(String)

  /// For the integer inputs of the main graph, by name.
  static func find(in model: Model) -> [String: InputMeaning] {
    var meanings: [String: InputMeaning] = [:]
    let graph = model.graph
    let index = GraphIndex(graph)
    for input in graph.requiredInputs {
      guard let element = graph[input].type?.tensor?.element, element.isInteger else { continue }
      if let meaning = meaning(of: input, graph, index) { meanings[graph[input].name] = meaning }
    }
    return meanings
  }

  /// Follows a value through operators that only move its elements.
  private static func meaning(of value: ValueID, _ graph: Graph, _ index: GraphIndex) -> InputMeaning? {
    var open = [value]
    var seen: Set<ValueID> = [value]
    var rows: Int?
    while let next = open.popLast() {
      for use in index.uses[next] ?? [] {
        let node = graph.nodes[use.node]
        switch node.op {
        case "Gather" where use.position == 1:
          guard let table = node.inputs.first.flatMap({ graph.constant($0) }) else { continue }
          var axis = node.attributes.int("axis") ?? 0
          if axis < 0 { axis += table.shape.rank }
          guard table.shape.dimensions.indices.contains(axis) else { continue }
          rows = min(rows ?? .max, table.shape[axis])
        case "Equal":
          let other = node.inputs[1 - use.position]
          if let number = graph.constant(other).flatMap(integer) { return .equal(to: number) }
        case "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Identity", "Slice", "Expand":
          if use.position == 0, let output = node.outputs.first, seen.insert(output).inserted {
            open.append(output)
          }
        default: continue
        }
      }
    }
    return rows.map { .index(rows: $0) }
  }

  private static func integer(_ tensor: Tensor) -> Int? {
    tensor.elementCount == 1 ? tensor.integers?.first : nil
  }

  /// A tensor of such elements.
  /// - Returns: nil for types that nothing can be made up for.
  func tensor(_ type: ElementType, _ shape: Shape, _ random: inout NormalNumbers) -> Tensor? {
    let count = shape.elementCount
    switch type {
    case .float32: return try? Tensor(shape: shape, (0..<count).map { _ in random.next() })
    case .float64: return try? Tensor(shape: shape, (0..<count).map { _ in Double(random.next()) })
    case .float16: return try? Tensor(shape: shape, (0..<count).map { _ in Float16(random.next()) })
    case .bool: return try? Tensor(shape: shape, [Bool](repeating: true, count: count))
    case .int64: return try? Tensor(shape: shape, integers(count, &random).map(Int64.init))
    case .int32: return try? Tensor(shape: shape, integers(count, &random).map { Int32(clamping: $0) })
    case .uint8: return try? Tensor(shape: shape, bytes(count, &random))
    default: return nil
    }
  }

  private func integers(_ count: Int, _ random: inout NormalNumbers) -> [Int] {
    switch self {
    case .index(let rows): (0..<count).map { _ in random.below(rows) }
    case .equal(let number): [Int](repeating: number, count: count)
    // Places of tokens and segments are in any table at 0; masks that let everything through are ones.
    case .unknown(let name): [Int](repeating: name.contains("mask") ? 1 : 0, count: count)
    }
  }

  /// Of images.
  private func bytes(_ count: Int, _ random: inout NormalNumbers) -> [UInt8] {
    if case .unknown = self { return (0..<count).map { _ in UInt8(random.below(256)) } }
    return integers(count, &random).map { UInt8(clamping: $0) }
  }
}

/// Normal numbers by the sum of twelve uniform ones, equal on every machine.
struct NormalNumbers {
  private var state: UInt64 = 0

  mutating func next() -> Float {
    var sum: Float = -6
    for _ in 0..<12 { sum += Float(advance()) / Float(1 << 24) }
    return sum
  }

  /// An integer in 0 ..< `bound`.
  mutating func below(_ bound: Int) -> Int { Int(advance()) % max(bound, 1) }

  private mutating func advance() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 40
  }
}
