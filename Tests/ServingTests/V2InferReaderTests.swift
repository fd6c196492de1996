import Tensors
import Testing

@testable import Serving

@Suite struct V2InferReaderTests {
  static func read(_ json: String, tail: [UInt8] = [], header: Int? = nil) throws -> V2InferRequest {
    let body = Array(json.utf8) + tail
    return try V2InferReader.read(
      body, headerLength: header ?? (tail.isEmpty ? nil : json.utf8.count), model: "m", maximumDepth: 64)
  }

  static func fault(_ json: String, tail: [UInt8] = [], header: Int? = nil) throws -> String {
    let error = try #require(throws: ServingError.self) { _ = try read(json, tail: tail, header: header) }
    return "\(error)"
  }

  @Test func membersComeInAnyOrder() throws {
    for json in [
      #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}],"id":"7"}"#,
      #"{"model_name":"m","id":"7","inputs":[{"data":[[1,2]],"datatype":"FP32","name":"x","shape":[1,2],"extra":{}}]}"#,
      #"{"id":"7","outputs":null,"parameters":null,"inputs":[{"shape":[1,2],"data":[1,[2]],"datatype":"FP32","name":"x"}]}"#,
    ] {
      let request = try Self.read(json)
      #expect(request.id == "7")
      #expect(request.inputs[0].name == "x")
      #expect(request.inputs[0].tensor.array(of: Float.self) == [1, 2])
      #expect(request.outputs == nil)
    }
  }

  @Test func outputsAndParameters() throws {
    let request = try Self.read(
      #"{"inputs":[],"parameters":{"timeout":5,"own":"a"},"outputs":[{"name":"a","parameters":{"binary_data":true}},{"name":"b","parameters":{"classification":3}}]}"#
    )
    #expect(request.parameter("timeout")?.int == 5)
    #expect(request.parameter("own")?.string == "a")
    #expect(
      request.outputs == [
        V2RequestedOutput(name: "a", isBinary: true), V2RequestedOutput(name: "b", classes: 3),
      ])
  }

  @Test(arguments: [
    ("", "expected an object"), ("[]", "expected an object"), ("{}", "no 'inputs'"),
    ("{\"inputs\":{}}", "expected an array"),
    (#"{"inputs":[],"inputs":[]}"#, "two members named 'inputs'"), (#"{"inputs":[]} x"#, "expected the end"),
    (#"{"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]}"#, "inputs[0] has no 'name'"),
    (#"{"inputs":[{"name":"x","datatype":"FP32","data":[1]}]}"#, "input 'x': 'shape' is missing"),
    (#"{"inputs":[{"name":"x","shape":[1],"data":[1]}]}"#, "input 'x': 'datatype' is missing"),
    (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]}"#, "But no field was set"),
    (
      #"{"inputs":[{"name":"x","shape":[1],"datatype":"FLOAT","data":[1]}]}"#,
      "input 'x': unknown datatype 'FLOAT'"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[-1],"datatype":"FP32","data":[1]}]}"#, "input 'x': negative extent -1"
    ),
    (#"{"inputs":[{"name":"x","shape":[1.5],"datatype":"FP32","data":[1]}]}"#, "expected an integer"),
    (
      #"{"inputs":[{"name":"x","shape":[4611686018427387904,4],"datatype":"FP32","data":[1]}]}"#,
      "input 'x': shape"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[1000000000],"datatype":"FP32","data":[1]}]}"#,
      "needs 1000000000 elements"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1]}]}"#,
      "input 'x': 'data' has 1 elements"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1,2]}]}"#,
      "input 'x': 'data' has more than"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[300]}]}"#,
      "input 'x': integer out of range"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e999]}]}"#,
      "input 'x': number out of range"
    ),
    (#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\ud800"]}]}"#, "lone surrogate"),
    (
      #"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1],"parameters":{"shared_memory_region":"r"}}]}"#,
      "shared memory"
    ),
    (
      #"{"inputs":[{"name":"x","shape":[0],"datatype":"FP32","data":[]},{"name":"x","shape":[0],"datatype":"FP32","data":[]}]}"#,
      "given twice"
    ),
    (#"{"inputs":[],"parameters":{"triton_x":1}}"#, "reserved"),
    (#"{"inputs":[],"parameters":{"x":[]}}"#, "parameter 'x'"),
    (#"{"inputs":[],"outputs":[{}]}"#, "outputs[0] has no 'name'"),
    (#"{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":0}}]}"#, "positive integer"),
    (#"{"inputs":[],"outputs":[{"name":"y","parameters":{"binary_data":1}}]}"#, "true or false"),
    (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1"#, "found the end"),
  ]) func faultsNameTheField(json: String, text: String) throws {
    let fault = try Self.fault(json)
    #expect(fault.contains(text), "\(fault)")
  }

  @Test func longShapesAreRefused() throws {
    let shape = Array(repeating: "1", count: 65).joined(separator: ",")
    let fault = try Self.fault(#"{"inputs":[{"name":"x","shape":[\#(shape)],"datatype":"FP32","data":[1]}]}"#)
    #expect(fault.contains("more than 64 extents"))
  }

  // MARK: Binary tensors

  static func binary(_ type: String, _ shape: String, _ size: Int) -> String {
    #"{"inputs":[{"name":"x","shape":\#(shape),"datatype":"\#(type)","parameters":{"binary_data_size":\#(size)}}]}"#
  }

  @Test func binaryTensorsFollowInOrder() throws {
    let json =
      #"{"inputs":[{"name":"a","parameters":{"binary_data_size":4},"shape":[2],"datatype":"INT16"},{"name":"j","shape":[1],"datatype":"INT8","data":[9]},{"name":"e","shape":[0],"datatype":"FP64","parameters":{"binary_data_size":0}},{"name":"s","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":10}}]}"#
    let request = try Self.read(json, tail: [1, 0, 0, 1, 2, 0, 0, 0, 0x68, 0x69, 0, 0, 0, 0])
    #expect(request.inputs.map(\.name) == ["a", "j", "e", "s"])
    #expect(request.inputs[0].tensor.array(of: Int16.self) == [1, 256])
    #expect(request.inputs[1].tensor.array(of: Int8.self) == [9])
    #expect(request.inputs[2].tensor.elementCount == 0)
    #expect(request.inputs[3].tensor.strings == ["hi", ""])
  }

  @Test func boolBytesBecomeZeroAndOne() throws {
    let request = try Self.read(Self.binary("BOOL", "[3]", 3), tail: [0, 1, 255])
    #expect(request.inputs[0].tensor.array(of: Bool.self) == [false, true, true])
  }

  @Test func binaryFaults() throws {
    let four: [UInt8] = [1, 2, 3, 4]
    for (json, tail, text) in [
      (Self.binary("FP32", "[1]", 8), four, "unexpected size for input 'x', expecting 4 additional bytes"),
      (Self.binary("FP32", "[1]", 4), four + four, "unexpected additional input data for model 'm'"),
      (Self.binary("FP32", "[2]", 4), four, "unexpected total byte size 4, expecting 8"),
      (Self.binary("FP32", "[1]", -4), four, "'binary_data_size'"),
      (Self.binary("FP32", "[4611686018427387904,4]", 4), four, "too many elements"),
      (Self.binary("BYTES", "[1]", 4), [9, 0, 0, 0], "claims 9 bytes"),
      (Self.binary("BYTES", "[1]", 4), [255, 255, 255, 255], "claims 4294967295 bytes"),
      (Self.binary("BYTES", "[1000000000]", 4), four, "needs 1000000000 elements"),
      (Self.binary("BYTES", "[1]", 6), [1, 0, 0, 0, 0x41, 0], "1 bytes follow"),
      (Self.binary("BYTES", "[1]", 5), [1, 0, 0, 0, 0xFF], "not valid UTF-8"),
    ] {
      let fault = try Self.fault(json, tail: tail)
      #expect(fault.contains(text), "\(fault)")
    }
    let both =
      #"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":4}}]}"#
    #expect(try Self.fault(both, tail: four).contains("both were set"))
    for header in [-1, 100] {
      #expect(
        try Self.fault("{}", header: header)
          == "inference header size should be in range (0, 2), got: \(header)")
    }
  }
}
