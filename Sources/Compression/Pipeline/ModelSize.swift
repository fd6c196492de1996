import GraphIR
import Tensors

/// Counts what a model holds.
struct ModelSize {
  /// Elements of all constants but the scales and zero points of quantization.
  private(set) var parameters = 0
  private(set) var nonzeros = 0

  /// Constants that are packed count as what they stand for.
  init(_ model: Model) {
    var plain = model
    if (try? Passes.expandPackedConstants(&plain)) == nil { plain = model }
    count(plain.graph)
    for function in model.functions { count(function.body) }
  }

  private mutating func count(_ graph: Graph) {
    var zeroPoints: [ValueID: Int] = [:]
    var helpers: Set<ValueID> = []
    for node in graph.nodes {
      for subgraph in node.subgraphs { count(subgraph) }
      let places = Self.quantizationInputs(of: node.op)
      for place in places.helpers where place < node.inputs.count { helpers.insert(node.inputs[place]) }
      if let (codes, zeroPoint) = places.codes, codes < node.inputs.count, zeroPoint < node.inputs.count {
        zeroPoints[node.inputs[codes]] = Self.firstByte(graph.constant(node.inputs[zeroPoint]))
      }
    }
    var seen: Set<ValueID> = []
    for node in graph.nodes {
      for input in node.inputs where seen.insert(input).inserted && !helpers.contains(input) {
        guard let constant = graph.constant(input) else { continue }
        parameters += constant.elementCount
        nonzeros += constant.elementCount - Self.zeros(in: constant, zeroPoint: zeroPoints[input] ?? 0)
      }
    }
  }

  /// Where a quantization operator reads codes with their zero point, and what is no parameter.
  private static func quantizationInputs(
    of op: OperatorName
  ) -> (codes: (codes: Int, zeroPoint: Int)?, helpers: [Int]) {
    switch op {
    case "DequantizeLinear": ((0, 2), [1, 2])
    case "QuantizeLinear": (nil, [1, 2])
    case "MatMulInteger", "ConvInteger": ((1, 3), [2, 3])
    default: (nil, [])
    }
  }

  private static func firstByte(_ tensor: Tensor?) -> Int {
    guard let tensor, tensor.type == .uint8, tensor.elementCount > 0 else { return 0 }
    return tensor.withBytes { Int($0[0]) }
  }

  private static func zeros(in tensor: Tensor, zeroPoint: Int) -> Int {
    let width = tensor.type.bitWidth / 8
    if width == 0 { return 0 }
    if tensor.type == .float32 {
      return tensor.withElements(Float.self) { $0.reduce(0) { $0 + ($1 == 0 ? 1 : 0) } }
    }
    return tensor.withBytes { bytes in
      var zeros = 0
      for start in stride(from: 0, to: bytes.count, by: width) {
        let isZero = bytes[start] == zeroPoint && (1..<width).allSatisfy { bytes[start + $0] == 0 }
        zeros += isZero ? 1 : 0
      }
      return zeros
    }
  }
}
