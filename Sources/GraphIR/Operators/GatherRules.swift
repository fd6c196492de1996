import Tensors

/// Operators that pick elements by index, or write them.
enum GatherRules {
  static let all: [OperatorRule] = [
    OperatorRule("Gather", inputs: 2...2, attributes: ["axis"], infer: inferGather),
    OperatorRule("GatherElements", inputs: 2...2, attributes: ["axis"], infer: inferGatherElements),
    OperatorRule("GatherND", inputs: 2...2, attributes: ["batch_dims"], infer: inferGatherND),
    OperatorRule(
      "ScatterElements", inputs: 3...3, attributes: ["axis", "reduction"], infer: inferScatterElements),
    OperatorRule("ScatterND", inputs: 3...3, attributes: ["reduction"], infer: inferScatterND),
    OperatorRule("TensorScatter", inputs: 2...3, attributes: ["axis", "mode"], infer: inferTensorScatter),
    OperatorRule("OneHot", inputs: 3...3, attributes: ["axis"], infer: inferOneHot),
    OperatorRule("Compress", inputs: 2...2, attributes: ["axis"], infer: inferCompress),
    OperatorRule("NonZero", inputs: 1...1, infer: inferNonZero),
    OperatorRule(
      "Unique", inputs: 1...1, outputs: 1...4, attributes: ["axis", "sorted"], infer: inferUnique),
  ]

  @Sendable private static func inferGather(_ context: inout InferenceContext) throws(GraphError) {
    let axis = try context.node.int("axis", default: 0)
    try context.expect(1, .index)
    try context.expectRank(0, 1...Int.max)
    guard let type = context.type(0) else { return }
    var result: [Dimension]?
    if let data = type.dimensions {
      let position = try context.resolveAxis(axis, rank: data.count)
      if let indices = context.dimensions(1) {
        result = Array(data[..<position]) + indices + Array(data[(position + 1)...])
      }
    }
    context.setOutput(0, type.element, result)
    context.setElements(0, try gathered(context))
  }

  /// The elements picked from a size vector.
  private static func gathered(_ context: InferenceContext) throws(GraphError) -> [Dimension]? {
    guard context.dimensions(0)?.count == 1, let values = context.knownElements(0),
      let indices = try context.integers(1), indices.count <= SizeArithmetic.maximumCount
    else { return nil }
    var result: [Dimension] = []
    for index in indices {
      let position = index < 0 ? index &+ values.count : index
      guard values.indices.contains(position) else {
        throw context.error("index \(index) is out of range for \(values.count) elements")
      }
      result.append(values[position])
    }
    return result
  }

  @Sendable private static func inferGatherElements(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(1, .index)
    try checkElementIndices(context)
    if let element = context.element(0) { context.setOutput(0, element, context.dimensions(1)) }
  }

  /// Inputs 0 and 1 must have one rank; outside the axis the indices may not reach over the data.
  private static func checkElementIndices(_ context: InferenceContext) throws(GraphError) {
    let axis = try context.node.int("axis", default: 0)
    guard let data = context.dimensions(0) else { return }
    let position = try context.resolveAxis(axis, rank: data.count)
    guard let indices = context.dimensions(1) else { return }
    if indices.count != data.count {
      throw context.error("the indices have rank \(indices.count), the data \(data.count)")
    }
    for other in data.indices where other != position {
      guard let extent = data[other].extent, let used = indices[other].extent, used > extent else { continue }
      throw context.error("the indices have \(used) elements on axis \(other), the data \(extent)")
    }
  }

  @Sendable private static func inferGatherND(_ context: inout InferenceContext) throws(GraphError) {
    let batch = try context.node.int("batch_dims", default: 0)
    try context.expect(1, .int64)
    try context.expectRank(0, 1...Int.max)
    try context.expectRank(1, 1...Int.max)
    guard let type = context.type(0) else { return }
    var result: [Dimension]?
    if let data = type.dimensions, let indices = context.dimensions(1) {
      if batch < 0 || batch >= min(data.count, indices.count) {
        throw context.error("attribute 'batch_dims' is \(batch)")
      }
      for axis in 0..<batch {
        _ = try context.merged(data[axis], indices[axis], "the extents of batch axis \(axis)")
      }
      if let depth = indices[indices.count - 1].extent {
        if depth < 1 || depth > data.count - batch {
          throw context.error("indices of \(depth) numbers into \(data.count - batch) axes")
        }
        result = Array(indices.dropLast()) + Array(data[(batch + depth)...])
      }
    }
    context.setOutput(0, type.element, result)
  }

  @Sendable private static func inferScatterElements(_ context: inout InferenceContext) throws(GraphError) {
    _ = try ScatterAttributes(context.node)
    try context.expect(1, .index)
    _ = try context.commonElement([0, 2])
    try checkElementIndices(context)
    try sameShape(1, 2, context)
    context.copyType()
  }

  private static func sameShape(_ left: Int, _ right: Int, _ context: InferenceContext) throws(GraphError) {
    guard let a = context.dimensions(left), let b = context.dimensions(right) else { return }
    if a.count != b.count { throw context.error("inputs \(left) and \(right) differ in rank") }
    for axis in a.indices {
      _ = try context.merged(a[axis], b[axis], "the extents of inputs \(left) and \(right)")
    }
  }

  @Sendable private static func inferScatterND(_ context: inout InferenceContext) throws(GraphError) {
    _ = try ScatterAttributes(context.node)
    try context.expect(1, .int64)
    _ = try context.commonElement([0, 2])
    try context.expectRank(0, 1...Int.max)
    try context.expectRank(1, 1...Int.max)
    if let data = context.dimensions(0), let indices = context.dimensions(1),
      let depth = indices[indices.count - 1].extent
    {
      if depth < 1 || depth > data.count {
        throw context.error("indices of \(depth) numbers into \(data.count) axes")
      }
      let wanted = Array(indices.dropLast()) + Array(data[depth...])
      if let updates = context.dimensions(2) {
        let fits =
          updates.count == wanted.count
          && zip(updates, wanted).allSatisfy { $0.extent == nil || $1.extent == nil || $0 == $1 }
        if !fits {
          throw context.error(
            "updates of shape \(context.text(updates)) where \(context.text(wanted)) is needed")
        }
      }
    }
    context.copyType()
  }

  @Sendable private static func inferTensorScatter(_ context: inout InferenceContext) throws(GraphError) {
    let attributes = try TensorScatterAttributes(context.node)
    _ = try context.commonElement(0..<2)
    try context.expect(2, .int64)
    try context.expectRank(2, 1...1)
    if let cache = context.dimensions(0) {
      if let count = context.dimensions(2)?[0], let batch = cache.first {
        _ = try context.merged(batch, count, "the batch and the number of places")
      }
      let axis = try context.resolveAxis(attributes.axis, rank: cache.count)
      if axis == 0 { throw context.error("the batch axis cannot be written along") }
      if let update = context.dimensions(1) {
        if update.count != cache.count { throw context.error("cache and update differ in rank") }
        for other in cache.indices where other != axis {
          _ = try context.merged(cache[other], update[other], "the extents of axis \(other)")
        }
        if let new = update[axis].extent, let room = cache[axis].extent, new > room {
          throw context.error("\(new) new entries in a cache of \(room)")
        }
      }
    }
    context.copyType()
  }

  @Sendable private static func inferOneHot(_ context: inout InferenceContext) throws(GraphError) {
    let axis = try context.node.int("axis", default: -1)
    try context.expect(0, .numeric)
    try context.expect(1, .numeric)
    if let values = context.shape(2), values != [2] { throw context.error("the values must be [off, on]") }
    guard let element = context.element(2) else { return }
    var result = context.dimensions(0)
    if let indices = context.dimensions(0) {
      let position = try context.resolveAxis(axis, rank: indices.count + 1, upTo: indices.count)
      result?.insert(try OneHotDepth.read(context), at: position)
    }
    context.setOutput(0, element, result)
  }

  @Sendable private static func inferCompress(_ context: inout InferenceContext) throws(GraphError) {
    try context.expect(1, .bool)
    try context.expectRank(1, 1...1)
    try context.expectRank(0, 1...Int.max)
    guard let type = context.type(0) else { return }
    // Entries of the condition beyond the axis' end pick nothing, so that its length alone says little.
    guard let axis = try context.node.optionalInt("axis") else {
      context.setOutput(0, type.element, [.unknown])
      return
    }
    var result = type.dimensions
    if let rank = result?.count { result?[try context.resolveAxis(axis, rank: rank)] = .unknown }
    context.setOutput(0, type.element, result)
  }

  @Sendable private static func inferNonZero(_ context: inout InferenceContext) throws(GraphError) {
    // A scalar counts as one axis, as in onnxruntime.
    let rank = context.dimensions(0).map { Dimension.known(max($0.count, 1)) }
    context.setOutput(0, .int64, [rank ?? .unknown, .unknown])
  }

  @Sendable private static func inferUnique(_ context: inout InferenceContext) throws(GraphError) {
    _ = try context.node.flag("sorted", default: true)
    let axis = try context.node.optionalInt("axis")
    guard let type = context.type(0) else { return }
    var result: [Dimension]? = [.unknown]
    var inverse: Dimension = .unknown
    if let dimensions = type.dimensions {
      if let axis {
        let position = try context.resolveAxis(axis, rank: dimensions.count)
        result = dimensions
        result?[position] = .unknown
        inverse = dimensions[position]
      } else {
        inverse = try context.product(dimensions)
      }
    } else if axis != nil {
      result = nil
    }
    context.setOutput(0, type.element, result)
    context.setOutput(1, .int64, [.unknown])
    context.setOutput(2, .int64, [inverse])
    context.setOutput(3, .int64, [.unknown])
  }
}

/// The depth of OneHot, which may come as any numeric type.
enum OneHotDepth {
  static func read(_ context: InferenceContext) throws(GraphError) -> Dimension {
    if let known = context.knownElements(1) {
      if known.count != 1 { throw context.error("the depth must be one element") }
      return known[0]
    }
    guard let tensor = context.constant(1), tensor.elementCount == 1 else { return .unknown }
    switch tensor.type {
    case .float16: return whole(Double(tensor.array(of: Float16.self)[0]))
    case .bfloat16:
      let bits = tensor.withBytes { $0.load(as: UInt16.self) }
      return whole(Double(Float(bitPattern: UInt32(bits) << 16)))
    case .float32: return whole(Double(tensor.array(of: Float.self)[0]))
    case .float64: return whole(tensor.array(of: Double.self)[0])
    case .uint8: return .known(Int(tensor.array(of: UInt8.self)[0]))
    case .int8: return .known(Int(tensor.array(of: Int8.self)[0]))
    case .uint16: return .known(Int(tensor.array(of: UInt16.self)[0]))
    case .int16: return .known(Int(tensor.array(of: Int16.self)[0]))
    case .uint32: return .known(Int(tensor.array(of: UInt32.self)[0]))
    case .uint64: return .known(Int(exactly: tensor.array(of: UInt64.self)[0]) ?? -1)
    default: return .unknown
    }
  }

  private static func whole(_ depth: Double) -> Dimension {
    .known(Int(exactly: depth.rounded(.towardZero)) ?? -1)
  }
}

/// `ScatterElements` and `ScatterND`.
public struct ScatterAttributes: Sendable {
  public enum Reduction: String, CaseIterable, Sendable { case none, add, mul, max, min }
  /// ScatterElements only.
  public let axis: Int
  public let reduction: Reduction

  public init(_ node: Node) throws(GraphError) {
    axis = try node.int("axis", default: 0)
    reduction = try node.choice("reduction", default: .none)
  }
}

/// `TensorScatter`: writes new entries into a key-value cache.
public struct TensorScatterAttributes: Sendable {
  public enum Mode: String, CaseIterable, Sendable { case linear, circular }
  public let axis: Int
  public let mode: Mode

  public init(_ node: Node) throws(GraphError) {
    axis = try node.int("axis", default: -2)
    mode = try node.choice("mode", default: .linear)
  }
}
