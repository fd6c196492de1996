import GraphIR
import Tensors

/// Writes coded weights into a graph. Nodes that read one weight share its codes.
struct LayerWriter {
  /// Constants of the graph that hold one coded weight.
  struct Stored {
    var codes: ValueID
    /// `.none` for float16, bfloat16 and codebooks.
    var scale: ValueID
    /// `.none` where it is zero and needs not be said.
    var zeroPoint: ValueID
  }

  private struct Known {
    var weight: CodedWeight
    var isTransposed: Bool
    var scaleShape: Shape
    var stored: Stored
  }

  private var known: [ValueID: [Known]] = [:]

  /// Lets the node of `layer` read the coded weight and compute in float: codes ─ DequantizeLinear, Cast or Gather ─ node.
  ///
  /// The codes of a transposed Gemm weight are stored untransposed, the form that other runtimes fuse.
  /// - Parameter keepsLayout: they are not, as nodes of other kinds read them too.
  mutating func rewrite(
    _ layer: WeightLayer, _ coded: CodedWeight, keepsLayout: Bool = false, _ editor: inout GraphEditor
  ) throws(TensorError) {
    if case .table = layer.kind, try readCodes(layer, coded, &editor) { return }
    var isTransposed = false
    if case .gemm(isTransposed: true) = layer.kind, coded.storage.isInteger, !keepsLayout {
      isTransposed = true
      editor.change(node: layer.node) { $0.attributes["transB"] = nil }
    }
    let weight = try dequantized(layer, coded, isTransposed: isTransposed, &editor)
    editor.setInput(of: layer.node, at: layer.input, to: weight)
  }

  /// The float32 value that `coded` stands for, computed before the node of `layer`.
  /// - Parameter isTransposed: a matrix is stored, and given, with its axes exchanged.
  mutating func dequantized(
    _ layer: WeightLayer, _ coded: CodedWeight, isTransposed: Bool = false, _ editor: inout GraphEditor
  ) throws(TensorError) -> ValueID {
    let stored = try store(layer, coded, isTransposed: isTransposed, &editor)
    let name = layer.title
    let output = editor.addValue("\(name).weight_dq", type: .float32)
    if coded.hasLevels {
      let places = editor.addValue("\(name).weight_places", type: .int32)
      editor.insert(
        Node(
          name: "\(layer.name)/weight_places", op: "Cast", inputs: [stored.codes], outputs: [places],
          attributes: ["to": .int(6)]), before: layer.node)
      editor.insert(
        Node(
          name: "\(layer.name)/weight_table", op: "Gather", inputs: [stored.scale, places],
          outputs: [output]), before: layer.node)
      return output
    }
    if coded.scales.isEmpty {
      editor.insert(
        Node(
          name: "\(layer.name)/weight_cast", op: "Cast", inputs: [stored.codes], outputs: [output],
          attributes: ["to": .int(1)]), before: layer.node)
      return output
    }
    editor.insert(
      Node(
        name: "\(layer.name)/weight_dequantize", op: "DequantizeLinear",
        inputs: [stored.codes, stored.scale] + (stored.zeroPoint.isNone ? [] : [stored.zeroPoint]),
        outputs: [output], attributes: coded.axisAttributes(layer, isTransposed: isTransposed)),
      before: layer.node)
    return output
  }

  /// Adds codes, scales and zero points of `coded` as constants, or finds those that another node reads already.
  /// - Parameter scaleShape: nil: as DequantizeLinear wants it.
  mutating func store(
    _ layer: WeightLayer, _ coded: CodedWeight, isTransposed: Bool = false, scaleShape: Shape? = nil,
    _ editor: inout GraphEditor
  ) throws(TensorError) -> Stored {
    let shape = scaleShape ?? coded.scaleShape(layer, isTransposed: isTransposed)
    let equal = (known[layer.weight] ?? []).filter { $0.isTransposed == isTransposed && $0.weight == coded }
    if let same = equal.first(where: { $0.scaleShape == shape }) { return same.stored }
    let name = layer.title
    var stored = Stored(codes: .none, scale: .none, zeroPoint: .none)
    if let other = equal.first {
      stored.codes = other.stored.codes
    } else {
      let codes = isTransposed ? try coded.codes.transposedCodes() : coded.codes
      stored.codes = editor.addConstant("\(name).weight_q", codes)
    }
    if let levels = coded.scales.first?.levels {
      stored.scale = editor.addConstant(
        "\(name).weight_levels", try Tensor(shape: [levels.count], levels))
    } else if !coded.scales.isEmpty {
      var ordered = coded
      ordered.scales = coded.scalePlaces(layer, isTransposed: isTransposed).map { coded.scales[$0] }
      stored.scale = editor.addConstant("\(name).weight_scale", try ordered.scaleTensor(shape))
      if coded.needsZeroPoint {
        stored.zeroPoint = editor.addConstant(
          "\(name).weight_zero_point", try ordered.zeroPointTensor(shape))
      }
    }
    known[layer.weight, default: []].append(
      Known(weight: coded, isTransposed: isTransposed, scaleShape: shape, stored: stored))
    return stored
  }
}

extension WeightLayer {
  /// What names of values begin with: unique over nested graphs.
  var title: String {
    let suffix = if case .recurrent(let weight) = kind { weight == .input ? ".W" : ".R" } else { "" }
    return nesting + name + suffix
  }
}

extension CodedWeight {
  /// True for the codes of a codebook.
  var hasLevels: Bool { scales.first?.levels != nil }

  private var isBlocked: Bool { if case .blocks = groups { true } else { false } }

  /// Runtimes take 8-bit weights with one scale for a channel as integers only where the zero point is said.
  fileprivate var needsZeroPoint: Bool {
    hasZeroPoints || (storage.isInteger && storage.bitWidth == 8 && !isBlocked)
  }

  fileprivate func axisAttributes(_ layer: WeightLayer, isTransposed: Bool) -> Attributes {
    switch groups {
    case .tensor: return [:]
    case .channel:
      if scales.count == 1 { return [:] }
      return ["axis": .int(isTransposed ? 1 - layer.outputAxis : layer.outputAxis)]
    case .blocks(let size):
      guard let axis = layer.depthAxis else { preconditionFailure("blocks need an axis to lie along") }
      return ["axis": .int(isTransposed ? 1 - axis : axis), "block_size": .int(size)]
    }
  }

  /// The shape of the scales in a file.
  fileprivate func scaleShape(_ layer: WeightLayer, isTransposed: Bool) -> Shape {
    guard case .blocks(let size) = groups, let axis = layer.depthAxis else {
      return scales.count == 1 ? .scalar : [scales.count]
    }
    var extents = layer.shape.dimensions
    extents[axis] = ScaleGroups.blocks(size).blocks(depth: extents[axis])
    return Shape(isTransposed ? extents.reversed() : extents)
  }

  /// Where in `scales` each of those in the file is found: matrices hold blocks before channels.
  fileprivate func scalePlaces(_ layer: WeightLayer, isTransposed: Bool) -> [Int] {
    guard isBlocked, let axis = layer.depthAxis else { return Array(scales.indices) }
    let isBlockMajor = (axis < layer.outputAxis) != isTransposed
    let layout = layer.matrix
    if isBlockMajor { return Array(scales.indices) }
    let blocks = groups.blocks(depth: layout.depth)
    let matrix = blocks * layout.columns
    return scales.indices.map { place in
      let (group, inner) = (place / matrix, place % matrix)
      return group * matrix + inner % blocks * layout.columns + inner / blocks
    }
  }
}

extension Tensor {
  /// A matrix of integer codes with its axes exchanged.
  func transposedCodes() throws(TensorError) -> Tensor {
    guard let codes = integerCodes, shape.rank == 2 else { preconditionFailure("a matrix of codes") }
    let (rows, columns) = (shape[0], shape[1])
    let exchanged = codes.indices.map { codes[$0 % rows * columns + $0 / rows] }
    return try Tensor(codes: exchanged, as: type, shape: [columns, rows])
  }
}
