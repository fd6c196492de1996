import Foundation
import Glibc
import ONNXFormat
import Tensors
import Testing

@testable import GraphIR

struct LoadingTests {
  /// A file with `node`s given as (operator, inputs, outputs).
  private func file(
    _ nodes: [(String, [String], [String])], inputs: [String] = ["x"], outputs: [String] = ["y"],
    change: (inout Onnx_ModelProto) -> Void = { _ in }
  ) throws -> [UInt8] {
    var model = Onnx_ModelProto()
    model.irVersion = 10
    model.opsetImport = [opset("", 21)]
    model.graph.name = "g"
    model.graph.node = nodes.map { type, inputs, outputs in
      var node = Onnx_NodeProto()
      node.opType = type
      node.input = inputs
      node.output = outputs
      return node
    }
    model.graph.input = inputs.map(info)
    model.graph.output = outputs.map(info)
    change(&model)
    return try ModelFile.encode(model)
  }

  private func opset(_ domain: String, _ version: Int64) -> Onnx_OperatorSetIdProto {
    var opset = Onnx_OperatorSetIdProto()
    opset.domain = domain
    opset.version = version
    return opset
  }

  private func info(_ name: String) -> Onnx_ValueInfoProto {
    var info = Onnx_ValueInfoProto()
    info.name = name
    return info
  }

  private func tensor(_ name: String, _ elements: [Float]) -> Onnx_TensorProto {
    var tensor = Onnx_TensorProto()
    tensor.name = name
    tensor.dataType = 1
    tensor.dims = [Int64(elements.count)]
    tensor.floatData = elements
    return tensor
  }

  @Test func ordersNodes() throws {
    let bytes = try file([("Relu", ["b"], ["y"]), ("Neg", ["a"], ["b"]), ("Abs", ["x"], ["a"])])
    #expect(try Model.load(bytes: bytes).graph.operators == ["Abs", "Neg", "Relu"])
  }

  /// Large initializers stay in the file: the model is the one that is read from bytes, can be changed, and outlives the
  /// file's name.
  @Test func largeTensorsStayInTheFile() throws {
    let elements = (0..<10_000).map { Float($0) }
    let bytes = try file([
      ("Add", ["x", "w"], ["a"]), ("Add", ["a", "b"], ["c"]), ("Add", ["c", "v"], ["y"]),
    ]) {
      for (name, isRaw) in [("w", true), ("b", false), ("v", true)] {
        var tensor = self.tensor(name, elements)
        if isRaw {
          tensor.floatData = []
          tensor.rawData = elements.withUnsafeBytes { Data($0) }
        }
        $0.graph.initializer.append(tensor)
      }
    }
    let path = "/tmp/adze-lifted-\(UInt64.random(in: 0 ... .max)).onnx"
    try FileBytes.write(bytes, path: path)
    defer { unlink(path) }
    var model = try Model.load(path: path)
    let other = try Model.load(bytes: bytes)
    unlink(path)
    let constants = model.graph.values.indices.filter { model.graph.values[$0].constant != nil }
    #expect(constants.count == 3)
    for index in constants {
      let (a, b) = (model.graph.values[index].constant, other.graph.values[index].constant)
      #expect(a == b && a?.array(of: Float.self) == elements)
      model.graph.values[index].constant?.withMutableElements(Float.self) { $0[1] = 7 }
      #expect(model.graph.values[index].constant?.array(of: Float.self)[1] == 7)
      #expect(a?.array(of: Float.self)[1] == 1)
    }
    #expect(try Model.load(bytes: try other.serialized()).graph.values.count == other.graph.values.count)
  }

  /// What is wrong with a large tensor is told as for a small one.
  @Test(arguments: [9_999, 10_001]) func largeTensorsAreChecked(count: Int) throws {
    let bytes = try file([("Add", ["x", "w"], ["y"])]) {
      var tensor = self.tensor("w", [])
      tensor.dims = [Int64(count)]
      tensor.rawData = Data(count: 40_000)
      $0.graph.initializer = [tensor]
    }
    let path = "/tmp/adze-lifted-\(UInt64.random(in: 0 ... .max)).onnx"
    try FileBytes.write(bytes, path: path)
    defer { unlink(path) }
    let messages = [true, false].map { isMapped in
      #expect(throws: GraphError.self) {
        _ = isMapped ? try Model.load(path: path) : try Model.load(bytes: bytes)
      }?.description
    }
    #expect(messages[0] == messages[1] && messages[0] != nil)
  }

  @Test func keepsTheOrderOfOrderedNodes() throws {
    let bytes = try file([("Neg", ["x"], ["b"]), ("Abs", ["x"], ["a"]), ("Add", ["a", "b"], ["y"])])
    #expect(try Model.load(bytes: bytes).graph.operators == ["Neg", "Abs", "Add"])
  }

  @Test func refusesWrongGraphs() throws {
    let relu = [("Relu", ["x"], ["y"])]
    let cases: [(bytes: [UInt8], error: GraphError)] = [
      (
        try file([("Add", ["x", "y"], ["b"]), ("Relu", ["b"], ["y"])]),
        .cycle(graph: "g", node: "b")
      ),
      (try file(relu + relu), .duplicateValue(graph: "g", value: "y")),
      (try file(relu, inputs: ["x", "x"]), .duplicateValue(graph: "g", value: "x")),
      (
        try file([("Relu", ["z"], ["y"])]),
        .undefinedValue(graph: "g", value: "z", reader: "node 'y' (Relu)")
      ),
      (try file(relu, outputs: ["q"]), .undefinedValue(graph: "g", value: "q", reader: "output 'q'")),
      (try file(relu) { $0.irVersion = 2 }, .unsupportedIRVersion(2)),
      (try file(relu) { $0.irVersion = 14 }, .unsupportedIRVersion(14)),
      (
        try file(relu) { $0.opsetImport = [opset("", 0)] }, .unsupportedOpset(domain: "", version: 0)
      ),
      (
        try file(relu) { $0.opsetImport = [opset("ai.onnx", 28)] },
        .unsupportedOpset(domain: "", version: 28)
      ),
      (
        try file(relu) { $0.opsetImport = [] },
        .invalidNode(name: "y", op: "Relu", reason: "no opset of ai.onnx is imported")
      ),
      (
        try file(relu) { $0.graph.initializer = [tensor("w", [1]), tensor("w", [2])] },
        .duplicateValue(graph: "g", value: "w")
      ),
      (
        try file(relu) { model in
          var claim = tensor("w", [1])
          claim.dims = [1 << 40]
          model.graph.initializer = [claim]
        },
        .invalidTensor(
          name: "w", reason: "float32 [1099511627776] takes 4398046511104 bytes, but 4 are present")
      ),
      ([], .file("not a valid ONNX file: the file is empty")),
      ([0x08, 0x0A], .file("not a valid ONNX file: it has no graph")),
    ]
    for (bytes, error) in cases { #expect(throws: error) { try Model.load(bytes: bytes) } }
  }

  @Test func everyTruncationIsAnError() throws {
    let bytes = try file([("Relu", ["x"], ["y"])]) { $0.graph.initializer = [tensor("w", [1, 2])] }
    for count in 0..<bytes.count {
      // A cut between the fields of the model itself leaves a model without the rest.
      guard let model = try? Model.load(bytes: Array(bytes[..<count])) else { continue }
      #expect(model.graph.nodes.isEmpty || !bytes[count...].contains(0x3A), "cut at \(count)")
    }
  }

  @Test func externalDataStaysInTheDirectory() throws {
    let bytes = try file([("Relu", ["x"], ["y"])]) { model in
      var tensor = tensor("w", [])
      tensor.dims = [4]
      tensor.dataLocation = .external
      var entry = Onnx_StringStringEntryProto()
      entry.key = "location"
      entry.value = "../../etc/passwd"
      tensor.externalData = [entry]
      model.graph.initializer = [tensor]
    }
    #expect(
      throws: GraphError.invalidTensor(
        name: "w", reason: "external data: location '../../etc/passwd' leaves the model's directory")
    ) { try Model.load(bytes: bytes, directory: "/tmp") }
  }

  @Test func initializersOfOldFilesAreConstants() throws {
    func bytes(_ irVersion: Int64) throws -> [UInt8] {
      try file([("Add", ["x", "w"], ["y"])], inputs: ["x", "w"]) { model in
        model.irVersion = irVersion
        model.graph.initializer = [tensor("w", [1])]
      }
    }
    let old = try Model.load(bytes: bytes(3))
    #expect(old.graph.inputs.map { old.graph[$0].name } == ["x"])
    #expect(old.graph.constant(old.graph.nodes[0].inputs[1]) != nil)
    let message = try ModelFile.decodeTrusted(old.serialized(), as: Onnx_ModelProto.self)
    #expect(message.graph.input.map(\.name) == ["x", "w"])
    let new = try Model.load(bytes: bytes(4))
    #expect(new.graph.inputs.count == 2)
    #expect(new.graph.requiredInputs.count == 1)
    #expect(new.graph.constant(new.graph.nodes[0].inputs[1]) == nil)
  }
}
