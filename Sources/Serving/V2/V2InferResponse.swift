import Tensors

/// The body of an answer to an inference request.
struct V2InferResponse: Sendable {
  let bytes: [UInt8]
  /// Bytes of the JSON in front of the binary tensors; nil when all is JSON.
  let headerLength: Int?

  /// - Parameter tensors: in the order of `binding.outputs`.
  init(_ tensors: [Tensor], _ binding: V2Binding, from model: V2Signature) throws(TensorError) {
    var tensors = tensors
    for (index, output) in binding.outputs.enumerated() {
      guard let classes = output.classes else { continue }
      tensors[index] = try V2Classification.top(
        classes, of: tensors[index], isBatched: model.maximumBatchSize > 0,
        labels: model.outputs[output.index].labels)
    }
    var writer = JSONWriter()
    writer.bytes.reserveCapacity(Self.estimatedBytes(tensors, binding.outputs))
    Self.write(tensors, binding, model, &writer)
    let jsonLength = writer.bytes.count
    for (tensor, output) in zip(tensors, binding.outputs) where output.isBinary {
      V2BinaryTensor.append(tensor, to: &writer.bytes)
    }
    bytes = writer.bytes
    headerLength = bytes.count > jsonLength ? jsonLength : nil
  }

  private static func write(
    _ tensors: [Tensor], _ binding: V2Binding, _ model: V2Signature, _ writer: inout JSONWriter
  ) {
    writer.literal("{")
    if !binding.id.isEmpty {
      writer.literal("\"id\":")
      writer.string(binding.id)
      writer.literal(",")
    }
    writer.literal("\"model_name\":")
    writer.string(model.name)
    writer.literal(",\"model_version\":\"")
    writer.integer(model.version)
    writer.literal("\",\"outputs\":[")
    for (index, tensor) in tensors.enumerated() {
      if index > 0 { writer.literal(",") }
      write(tensor, binding.outputs[index], &writer)
    }
    writer.literal("]}")
  }

  private static func write(_ tensor: Tensor, _ output: V2BoundOutput, _ writer: inout JSONWriter) {
    writer.literal("{\"name\":")
    writer.string(output.name)
    writer.literal(",\"datatype\":")
    writer.string(tensor.type.v2Name)
    writer.literal(",\"shape\":[")
    for (axis, extent) in tensor.shape.dimensions.enumerated() {
      if axis > 0 { writer.literal(",") }
      writer.integer(extent)
    }
    if output.isBinary {
      writer.literal("],\"parameters\":{\"binary_data_size\":")
      writer.integer(V2BinaryTensor.byteCount(of: tensor))
      writer.literal("}}")
    } else {
      writer.literal("],\"data\":")
      let isWritten = writer.elements(of: tensor)
      precondition(isWritten, "the binding accepts only types with a JSON form")
      writer.literal("}")
    }
  }

  private static func estimatedBytes(_ tensors: [Tensor], _ outputs: [V2BoundOutput]) -> Int {
    zip(tensors, outputs).reduce(256) { sum, output in
      sum + 128 + (output.1.isBinary ? output.0.byteCount : output.0.elementCount * 13)
    }
  }
}
