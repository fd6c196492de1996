import GraphIR
import Tensors
import Testing

@testable import Serving

@Suite struct V2InferResponseTests {
  static func response(_ tensors: [Tensor], more: String = "", batched: Bool = true) throws -> V2InferResponse
  {
    let ports = tensors.enumerated().map { TensorPort(name: "y\($0)", element: $1.type, dimensions: nil) }
    let model = V2Signature(
      name: "m", version: 3, inputs: [], outputs: ports, maximumBatchSize: batched ? 8 : 0)
    let request = try V2InferReaderTests.read("{\"inputs\":[]\(more)}")
    return try V2InferResponse(tensors, V2Binding(request, to: model), from: model)
  }

  @Test func jsonIsFlatAndInTritonsOrder() throws {
    let tensor = try Tensor(shape: [2, 2], [1, -2.5, .nan, .infinity] as [Float])
    let response = try Self.response([tensor], more: #","id":"a\"b""#)
    #expect(
      String(decoding: response.bytes, as: UTF8.self)
        == #"{"id":"a\"b","model_name":"m","model_version":"3","outputs":[{"name":"y0","datatype":"FP32","shape":[2,2],"data":[1.0,-2.5,NaN,Infinity]}]}"#
    )
    #expect(response.headerLength == nil)
  }

  @Test func binaryPartsFollow() throws {
    let numbers = try Tensor(shape: [2], [1, 256] as [Int16])
    let words = try Tensor(shape: [2], strings: ["é", ""])
    let response = try Self.response(
      [numbers, words],
      more:
        #","outputs":[{"name":"y0","parameters":{"binary_data":true}},{"name":"y1","parameters":{"binary_data":true}}]"#
    )
    let header = try #require(response.headerLength)
    #expect(
      String(decoding: response.bytes[..<header], as: UTF8.self)
        == #"{"model_name":"m","model_version":"3","outputs":[{"name":"y0","datatype":"INT16","shape":[2],"parameters":{"binary_data_size":4}},{"name":"y1","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":10}}]}"#
    )
    #expect(Array(response.bytes[header...]) == [1, 0, 0, 1, 2, 0, 0, 0, 0xC3, 0xA9, 0, 0, 0, 0])
  }

  @Test func emptyBinaryOutputsNeedNoHeader() throws {
    let response = try Self.response(
      [try Tensor(type: .float32, shape: [0, 4])], more: #","parameters":{"binary_data_output":true}"#)
    #expect(response.headerLength == nil)
    #expect(String(decoding: response.bytes, as: UTF8.self).contains(#""parameters":{"binary_data_size":0}"#))
  }

  @Test func classification() throws {
    let logits = try Tensor(shape: [2, 3], [0.1, 0.7, 0.2, .nan, -1, 5] as [Float])
    let classes = #","outputs":[{"name":"y0","parameters":{"classification":2}}]"#
    let batched = String(decoding: try Self.response([logits], more: classes).bytes, as: UTF8.self)
    #expect(
      batched.hasSuffix(
        #"[{"name":"y0","datatype":"BYTES","shape":[2,2],"data":["0.700000:1","0.200000:2","5.000000:2","-1.000000:1"]}]}"#
      ))
    let integers = try Tensor(shape: [3], [3, 9, 9] as [Int32])
    let capped = try Self.response([integers], more: classes.replacing("2", with: "7"), batched: false)
    #expect(
      String(decoding: capped.bytes, as: UTF8.self).hasSuffix(#""shape":[3],"data":["9:1","9:2","3:0"]}]}"#))
  }
}
