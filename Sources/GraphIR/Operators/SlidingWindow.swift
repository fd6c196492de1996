import Tensors

/// How a window moves over the spatial axes of `[batch, channels, d1, d2 …]`: shared by convolution and pooling.
public struct SlidingWindow: Sendable {
  public enum AutoPad: String, CaseIterable, Sendable {
    case notSet = "NOTSET"
    case sameUpper = "SAME_UPPER"
    case sameLower = "SAME_LOWER"
    case valid = "VALID"
  }

  public static let attributeNames = ["auto_pad", "dilations", "kernel_shape", "pads", "strides"]

  public let kernel: [Int]
  public let strides: [Int]
  public let dilations: [Int]
  public let autoPad: AutoPad
  /// As the file gives them, begins then ends; zeros when it does not, or when `autoPad` decides.
  public let declaredPads: [Int]

  public var spatialRank: Int { kernel.count }

  /// - Parameter kernel: the extents of the window; nil: attribute `kernel_shape`.
  public init(_ node: Node, kernel weight: [Int]? = nil) throws(GraphError) {
    let declared = try node.ints("kernel_shape")
    guard let kernel = weight ?? declared else { throw node.error("attribute 'kernel_shape' is required") }
    if let declared, declared != kernel {
      throw node.error("attribute 'kernel_shape' is \(declared) but the weight's kernel is \(kernel)")
    }
    let rank = kernel.count
    self.kernel = kernel
    strides = try Self.positive(node, "strides", count: rank)
    dilations = try Self.positive(node, "dilations", count: rank)
    autoPad = try node.choice("auto_pad", default: .notSet)
    let pads = try node.ints("pads") ?? Array(repeating: 0, count: 2 * rank)
    if pads.count != 2 * rank {
      throw node.error("attribute 'pads' has \(pads.count) values, not \(2 * rank)")
    }
    declaredPads = autoPad == .notSet ? pads : Array(repeating: 0, count: 2 * rank)
    for extent in kernel where extent <= 0 || extent > Self.maximum {
      throw node.error("kernel extent \(extent) is out of range")
    }
    for pad in declaredPads where pad < -Self.maximum || pad > Self.maximum {
      throw node.error("attribute 'pads' has the value \(pad), which is out of range")
    }
  }

  /// Far above any real window, small enough that sums and products of a few stay inside 64 bits.
  private static let maximum = 1 << 30

  private static func positive(_ node: Node, _ name: String, count: Int) throws(GraphError) -> [Int] {
    guard let values = try node.ints(name) else { return Array(repeating: 1, count: count) }
    if values.count != count {
      throw node.error("attribute '\(name)' has \(values.count) values, not \(count)")
    }
    for value in values where value <= 0 || value > maximum {
      throw node.error("attribute '\(name)' has the value \(value), which is out of range")
    }
    return values
  }

  /// Extent along `axis` that the window covers, gaps of the dilation included.
  public func span(_ axis: Int) -> Int { (kernel[axis] - 1) * dilations[axis] + 1 }

  /// Padding before and after spatial axis `axis` of an input with `extent` elements there.
  public func pads(_ axis: Int, extent: Int) -> (begin: Int, end: Int) {
    switch autoPad {
    case .notSet: return (declaredPads[axis], declaredPads[axis + spatialRank])
    case .valid: return (0, 0)
    case .sameUpper, .sameLower:
      let output = (extent - 1) / strides[axis] + 1
      let total = max(0, (output - 1) * strides[axis] + span(axis) - extent)
      let small = total / 2
      return autoPad == .sameUpper ? (small, total - small) : (total - small, small)
    }
  }

  /// Begins then ends for an input with the spatial extents `input`.
  public func pads(input: [Int]) -> [Int] {
    let pairs = input.indices.map { pads($0, extent: input[$0]) }
    return pairs.map(\.begin) + pairs.map(\.end)
  }

  /// How many places the window takes along `axis` of an input with `extent` elements; nil when it does not fit.
  public func outputExtent(_ axis: Int, extent: Int, ceiling: Bool = false) -> Int? {
    if extent < 0 || extent > 1 << 48 { return nil }
    let (begin, end) = pads(axis, extent: extent)
    let room = extent + begin + end - span(axis)
    if room < 0 { return nil }
    let stride = strides[axis]
    if !ceiling { return room / stride + 1 }
    let output = (room + stride - 1) / stride + 1
    // A last window that would begin in the padding at the end is left out.
    return (output - 1) * stride >= extent + begin ? output - 1 : output
  }

  /// The same for an extent that may be unknown.
  func output(
    _ axis: Int, of dimension: Dimension, ceiling: Bool = false, _ context: InferenceContext
  ) throws(GraphError) -> Dimension {
    if case .known(let extent) = dimension {
      if let result = outputExtent(axis, extent: extent, ceiling: ceiling) { return .known(result) }
      throw context.error("a window of \(span(axis)) does not fit into the padded extent \(extent)")
    }
    let padded = autoPad == .notSet ? declaredPads[axis] + declaredPads[axis + spatialRank] : 0
    let isSame = autoPad == .sameUpper || autoPad == .sameLower
    let keepsExtent = strides[axis] == 1 && (isSame || padded == span(axis) - 1)
    return keepsExtent ? dimension : .unknown
  }
}
