package import SwiftProtobuf

/// Any message of onnx.proto.
package typealias ONNXMessage = SwiftProtobuf.Message
