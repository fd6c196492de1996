import Tensors

/// A BatchNormalization with constant statistics as `scale * x + shift` for each channel, in double precision.
public struct ChannelAffine: Sendable {
  public let scale: [Double]
  private let mean: [Double]
  private let offset: [Double]

  /// nil when a parameter is not constant or not of float32 or float64, when their lengths differ, when a scale is not
  /// finite, or when the node is there to be trained.
  public init?(_ node: Node, _ graph: Graph, _ uses: GraphUses) {
    guard node.inputs.count == 5, (node.attributes.int("training_mode") ?? 0) == 0,
      node.outputs.dropFirst().allSatisfy(\.isNone)
    else { return nil }
    var parameters: [[Double]] = []
    for input in node.inputs.dropFirst() {
      guard let values = uses.constant(input, in: graph)?.doubles else { return nil }
      parameters.append(values)
    }
    let count = parameters[0].count
    if parameters.contains(where: { $0.count != count }) { return nil }
    let epsilon = Double(node.attributes.float("epsilon") ?? 1e-5)
    scale = zip(parameters[0], parameters[3]).map { $0 / ($1 + epsilon).squareRoot() }
    offset = parameters[1]
    mean = parameters[2]
    if scale.contains(where: { !$0.isFinite }) { return nil }
  }

  /// What is added to `scale * x`. With `bias`, one number for each channel: what is added when x + bias is normalized.
  public func shift(after bias: [Double]? = nil) -> [Double] {
    scale.indices.map { ((bias?[$0] ?? 0) - mean[$0]) * scale[$0] + offset[$0] }
  }
}
