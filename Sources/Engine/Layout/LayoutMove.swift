import CKernels
import GraphIR
import Tensors

extension LayoutRule {
  /// How the node of `request` computes the same with its tensors in `request.order`; nil when it cannot.
  func move(_ request: LayoutRequest) throws -> MovedNode? {
    switch self {
    case .elementwise: try Self.elementwise(request)
    case .axis(let name, let fallback, let operands): Self.axis(name, fallback, operands, request)
    case .reduction: try Self.reduction(request)
    case .operands(let inputs): Self.operands(inputs, request)
    case .slice: try Self.slice(request)
    case .pad: try Self.pad(request)
    case .resize: try Self.resize(request)
    case .channelsLast(let op, let operands): try Self.channelsLast(op, operands, request)
    }
  }

  private static func elementwise(_ request: LayoutRequest) throws -> MovedNode? {
    var result = MovedNode(request.node)
    let rank = request.order.rank
    for (index, id) in request.node.inputs.enumerated() where !id.isNone {
      guard let own = request.dimensions(index)?.count, own <= rank else { return nil }
      if own == rank {
        result.moved.append(index)
      } else if request.hasSingle(index) {
        continue
      } else if let constant = request.constant(index) {
        let ones = Array(repeating: 1, count: rank - own)
        result.constants[index] = try constant.reshaped(to: Shape(ones + constant.shape.dimensions))
        result.moved.append(index)
      } else {
        return nil
      }
    }
    return result
  }

  private static func operands(_ inputs: [Int], _ request: LayoutRequest) -> MovedNode? {
    var result = MovedNode(request.node)
    result.moved = inputs
    return inputs.allSatisfy { request.dimensions($0)?.count == request.order.rank } ? result : nil
  }

  private static func axis(_ name: String, _ fallback: Int, _ operands: OperandList, _ request: LayoutRequest)
    -> MovedNode?
  {
    var result = MovedNode(request.node)
    guard let place = request.order.place(of: request.node.attributes.int(name) ?? fallback) else {
      return nil
    }
    result.attributes[name] = .int(place)
    result.moved = request.node.inputs.indices.filter { operands.contains($0) && request.node.hasInput($0) }
    return result.moved.allSatisfy { request.dimensions($0)?.count == request.order.rank } ? result : nil
  }

  /// Without the reduced axes the others must still lie in their own order.
  private static func reduction(_ request: LayoutRequest) throws -> MovedNode? {
    var result = MovedNode(request.node)
    result.moved = [0]
    guard request.node.hasInput(1), let axes = request.integers(1), !axes.isEmpty else { return nil }
    let places = axes.compactMap { request.order.place(of: $0) }
    if places.count != axes.count { return nil }
    result.constants[1] = try Tensor(shape: [places.count], places)
    if request.node.attributes.int("keepdims") ?? 1 == 0 {
      let kept = request.order.axes.indices.filter { !places.contains($0) }.map { request.order.axes[$0] }
      if kept != kept.sorted() { return nil }
      result.movesOutputs = false
    }
    return result
  }

  private static func slice(_ request: LayoutRequest) throws -> MovedNode? {
    var result = MovedNode(request.node)
    result.moved = [0]
    guard let starts = request.integers(1) else { return nil }
    guard let axes = request.node.hasInput(3) ? request.integers(3) : Array(starts.indices) else {
      return nil
    }
    let places = axes.compactMap { request.order.place(of: $0) }
    if places.count != axes.count { return nil }
    result.constants[3] = try Tensor(shape: [places.count], places)
    return result
  }

  private static func pad(_ request: LayoutRequest) throws -> MovedNode? {
    var result = MovedNode(request.node)
    result.moved = [0]
    guard let pads = request.integers(1) else { return nil }
    let rank = request.order.rank
    if request.node.hasInput(3) {
      guard let axes = request.integers(3), pads.count == 2 * axes.count else { return nil }
      let places = axes.compactMap { request.order.place(of: $0) }
      if places.count != axes.count { return nil }
      result.constants[3] = try Tensor(shape: [places.count], places)
    } else {
      guard pads.count == 2 * rank else { return nil }
      let begins = request.order.reordered(Array(pads[..<rank]))
      let ends = request.order.reordered(Array(pads[rank...]))
      result.constants[1] = try Tensor(shape: [2 * rank], begins + ends)
    }
    return result
  }

  /// Scales or sizes of all axes, or of those that the attribute lists.
  private static func resize(_ request: LayoutRequest) throws -> MovedNode? {
    var result = MovedNode(request.node)
    result.moved = [0]
    let rank = request.order.rank
    if let axes = request.node.attributes.ints("axes") {
      let places = axes.compactMap { request.order.place(of: $0) }
      if places.count != axes.count { return nil }
      result.attributes["axes"] = .ints(places)
      return result
    }
    if request.node.hasInput(1), request.constant(1)?.elementCount ?? 1 > 0 { return nil }
    for input in 2...3 where request.node.hasInput(input) {
      guard let tensor = request.constant(input) else { return nil }
      if tensor.elementCount == 0 { continue }
      guard tensor.elementCount == rank else { return nil }
      result.constants[input] =
        tensor.type == .float32
        ? try Tensor(shape: [rank], request.order.reordered(tensor.array(of: Float.self)))
        : try request.integers(input).map { try Tensor(shape: [rank], request.order.reordered($0)) }
      if result.constants[input] == nil { return nil }
    }
    return result
  }

  private static func channelsLast(_ op: OperatorName, _ operands: OperandList, _ request: LayoutRequest)
    throws -> MovedNode?
  {
    guard request.order == .channelsLast(request.order.rank) else { return nil }
    guard let element = request.view.element(request.node.inputs[0]), !request.node.hasOutput(1) else {
      return nil
    }
    let isEightBit = [ElementType].eightBit.contains(element)
    switch op {
    case FusedOperator.quantizedConvNHWC:
      guard isEightBit, try isQuantizedConvolution(request) else { return nil }
    case FusedOperator.maxPoolNHWC where isEightBit: break
    default: if element != .float32 { return nil }
    }
    if FusedOperator.convNHWC == op {
      guard let weight = request.constant(1), weight.type == .float32, try fits(weight, request.node) else {
        return nil
      }
    }
    // The kernels know windows over one or two axes.
    guard request.order.rank == 3 || request.order.rank == 4 || op == FusedOperator.scaleShiftNHWC else {
      return nil
    }
    var result = MovedNode(request.node)
    result.op = op
    result.moved = request.node.inputs.indices.filter { operands.contains($0) && request.node.hasInput($0) }
    return result
  }

  /// Whether the kernel can take the weights, and all scales and zero points are constants.
  private static func isQuantizedConvolution(_ request: LayoutRequest) throws -> Bool {
    let node = request.node
    guard let weight = request.constant(3), [ElementType].eightBit.contains(weight.type),
      try fits(weight, node),
      [1, 2, 4, 6, 7, 8].allSatisfy({ !node.hasInput($0) || request.constant($0) != nil }),
      request.constant(1)?.elementCount == 1
    else { return false }
    // Only weights that are symmetric around 0, or 128 when they are unsigned.
    let middle: UInt8 = weight.type == .int8 ? 0 : 128
    guard let points = request.constant(5) else { return weight.type == .int8 }
    return points.withBytes { $0.allSatisfy { $0 == middle } }
  }

  /// Whether the rows under a block of output pixels fit the kernel's scratch memory, whatever the image's size.
  private static func fits(_ weight: Tensor, _ node: Node) throws -> Bool {
    guard weight.shape.rank == 3 || weight.shape.rank == 4, weight.elementCount > 0 else { return false }
    let window = try ConvAttributes(node, kernel: Array(weight.shape.dimensions.dropFirst(2))).window
    let block = (0..<window.spatialRank).reduce(224.0 * Double(weight.shape[1])) {
      $0 * Double(window.span($1) + window.strides[$1])
    }
    return block < Double(ADZE_CONV2D_MAX_SCRATCH) / 2
  }
}
