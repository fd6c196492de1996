import GraphIR
import Tensors
import Testing

@testable import Serving

@Suite struct V2BindingTests {
  static let model = V2Signature(
    name: "m", version: 3,
    inputs: [
      TensorPort(name: "a", element: .float32, dimensions: [.symbol("batch"), .known(2)]),
      TensorPort(name: "b", element: .int64, dimensions: [.symbol("batch"), .unknown]),
      TensorPort(name: "c", element: .bool, dimensions: nil, isOptional: true),
    ],
    outputs: [
      TensorPort(name: "y", element: .float32, dimensions: [.symbol("batch"), .known(3)]),
      TensorPort(name: "z", element: .string, dimensions: [.symbol("batch")]),
      TensorPort(name: "q", element: .int4, dimensions: [.symbol("batch")]),
    ], maximumBatchSize: 8)

  static func bind(_ inputs: String, _ more: String = "") throws -> V2Binding {
    let request = try V2InferReaderTests.read(#"{"inputs":[\#(inputs)]\#(more)}"#)
    return try V2Binding(request, to: model)
  }

  static let a = #"{"name":"a","shape":[1,2],"datatype":"FP32","data":[1,2]}"#
  static let b = #"{"name":"b","shape":[1,1],"datatype":"INT64","data":[5]}"#
  static let y = #","outputs":[{"name":"y"}]"#

  @Test func inputsTakeTheModelsOrder() throws {
    let binding = try Self.bind("\(Self.b),\(Self.a)", Self.y)
    #expect(binding.inputs[0]?.type == .float32)
    #expect(binding.inputs[1]?.array(of: Int64.self) == [5])
    #expect(binding.inputs[2] == nil)
  }

  @Test(arguments: [
    (
      #"{"name":"a","shape":[1,2],"datatype":"FP64","data":[1,2]}"#,
      "inference input 'a' data-type is 'FP64', but model 'm' expects 'FP32'"
    ),
    (
      #"{"name":"a","shape":[1,3],"datatype":"FP32","data":[1,2,3]}"#,
      "unexpected shape for input 'a' for model 'm'. Expected [-1,2], got [1,3]."
    ),
    (#"{"name":"a","shape":[2],"datatype":"FP32","data":[1,2]}"#, "Expected [-1,2], got [2]."),
    (
      #"{"name":"a","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}"#,
      "input 'b' for model 'm': 'batch' is 1 here and 2 in input 'a'"
    ),
    (
      #"{"name":"A","shape":[1,2],"datatype":"FP32","data":[1,2]}"#,
      "unexpected inference input 'A' for model 'm'"
    ),
    (#"{"name":"c","shape":[0],"datatype":"BOOL","data":[]}"#, "missing required input(s) ['a']"),
  ]) func wrongInputs(input: String, text: String) throws {
    let error = try #require(throws: ServingError.self) { _ = try Self.bind("\(input),\(Self.b)", Self.y) }
    #expect("\(error)".contains(text), "\(error)")
  }

  @Test(arguments: [
    (#","outputs":[{"name":"w"}]"#, "unexpected inference output 'w' for model 'm'"),
    (#","outputs":[{"name":"y"},{"name":"y"}]"#, "requested twice"),
    (#","outputs":[{"name":"q"}]"#, "JSON cannot carry"),
    (#","outputs":[{"name":"z","parameters":{"classification":1}}]"#, "classification does not support"),
    (#","outputs":[{"name":"y"}],"parameters":{"timeout":-1}"#, "'timeout'"),
    (#","outputs":[{"name":"y"}],"parameters":{"priority":"high"}"#, "'priority'"),
    (#","outputs":[{"name":"y"}],"parameters":{"binary_data_output":1}"#, "'binary_data_output'"),
    (#","outputs":[{"name":"w"}],"id":"42""#, "[request id: 42] unexpected inference output"),
  ]) func wrongOutputsAndParameters(more: String, text: String) throws {
    let error = try #require(throws: ServingError.self) { _ = try Self.bind("\(Self.a),\(Self.b)", more) }
    #expect("\(error)".contains(text), "\(error)")
  }

  @Test func outputFormsInheritTheRequests() throws {
    let all = try Self.bind(
      "\(Self.a),\(Self.b)", #","parameters":{"binary_data_output":true,"timeout":250}"#)
    #expect(all.outputs.map(\.name) == ["y", "z", "q"])
    #expect(all.outputs.map(\.isBinary) == [true, true, true])
    #expect(all.timeoutMicroseconds == 250)
    let some = try Self.bind(
      "\(Self.a),\(Self.b)",
      #","parameters":{"binary_data_output":true},"outputs":[{"name":"z","parameters":{"binary_data":false}},{"name":"y"}]"#
    )
    #expect(some.outputs.map(\.name) == ["z", "y"])
    #expect(some.outputs.map(\.isBinary) == [false, true])
  }

  // MARK: Raw requests

  static func port(_ element: ElementType, _ dimensions: [Dimension]) -> V2Signature {
    V2Signature(
      name: "m", version: 1, inputs: [TensorPort(name: "x", element: element, dimensions: dimensions)],
      outputs: [], maximumBatchSize: dimensions.first == .symbol("batch") ? 8 : 0)
  }

  @Test func rawRequestsFindTheirShape() throws {
    let bytes = [UInt8](repeating: 0, count: 24)
    for (model, shape) in [
      (Self.port(.float32, [.symbol("batch"), .known(6)]), [1, 6]),
      (Self.port(.float32, [.symbol("batch"), .unknown, .known(3)]), [1, 2, 3]),
      (Self.port(.int64, [.known(3)]), [3]), (Self.port(.int16, [.unknown, .known(4)]), [3, 4]),
    ] {
      let request = try V2RawRequest.read(bytes, for: model)
      #expect(request.inputs[0].tensor.shape == Shape(shape))
      #expect(request.parameter("binary_data_output")?.bool == true)
    }
    let text = try V2RawRequest.read(
      Array("héllo".utf8), for: Self.port(.string, [.symbol("batch"), .known(1)]))
    #expect(text.inputs[0].tensor.strings == ["héllo"])
    for model in [
      Self.port(.float32, [.symbol("batch"), .known(5)]), Self.port(.float32, [.unknown, .unknown]),
      Self.port(.float32, [.symbol("batch"), .unknown, .known(5)]), Self.port(.string, [.known(2)]),
      Self.model,
    ] { #expect(throws: ServingError.self) { _ = try V2RawRequest.read(bytes, for: model) } }
  }
}
