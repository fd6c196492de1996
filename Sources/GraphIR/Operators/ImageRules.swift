import Tensors

/// Files of images.
enum ImageRules {
  static let all: [OperatorRule] = [
    OperatorRule("ImageDecoder", inputs: 1...1, attributes: ["pixel_format"]) { context throws(GraphError) in
      let format = try ImageDecoderAttributes(context.node).format
      try context.expect(0, ElementSet(.uint8))
      try context.expectRank(0, 1...1)
      context.setOutput(0, .uint8, [.unknown, .unknown, .known(format.channels)])
    }
  ]
}

/// `ImageDecoder`.
public struct ImageDecoderAttributes: Sendable {
  public enum Format: String, CaseIterable, Sendable {
    case rgb = "RGB"
    case bgr = "BGR"
    case grayscale = "Grayscale"

    public var channels: Int { self == .grayscale ? 1 : 3 }
  }

  public let format: Format

  public init(_ node: Node) throws(GraphError) {
    format = try node.choice("pixel_format", default: .rgb)
  }
}
