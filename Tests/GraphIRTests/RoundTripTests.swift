import Foundation
import ONNXFormat
import Tensors
import Testing

@testable import GraphIR

struct RoundTripTests {
  /// A model in which everything occurs that a file can say.
  private func everything() throws -> Model {
    var branch = Graph(name: "branch")
    let captured = branch.addValue(Value(name: "x"))
    let result = branch.addValue(Value(name: "then_y"))
    branch.nodes = [Node(name: "inner", op: "Neg", inputs: [captured], outputs: [result])]
    branch.outputs = [result]

    var graph = Graph(name: "main")
    graph.documentation = "what it is for"
    graph.metadata = [MetadataEntry(key: "k", value: "v")]
    let type = ValueType.tensor(TensorType(.float32, [.symbol("batch"), .known(3), .unknown]))
    let x = graph.addValue(Value(name: "x", type: type))
    var annotations = ValueAnnotations()
    annotations.documentation = "pixels"
    annotations.typeDenotation = "IMAGE"
    annotations.dimensionDenotations = ["DATA_BATCH", "", ""]
    graph[x].annotations = annotations
    let condition = graph.addValue(Value(name: "c", type: .tensor(TensorType(.bool, []))))
    let weight = graph.addValue(
      Value(
        name: "w", type: .tensor(TensorType(.float32, [.known(3)])),
        constant: try Tensor(shape: [3], [Float(1), 2, .nan])))
    let sparse = SparseTensor(
      shape: [2, 2], values: try Tensor(shape: [1], [Float(5)]), indices: try Tensor(shape: [1, 2], [1, 0]))
    var sparseValue = Value(name: "s", constant: try sparse.dense(name: "s"))
    sparseValue.sparseConstant = sparse
    sparseValue.type = .tensor(TensorType(.float32, [.known(2), .known(2)]))
    _ = graph.addValue(sparseValue)
    let sequence = graph.addValue(
      Value(name: "q", type: .sequence(.optional(.tensor(TensorType(.int64, nil))))))
    let y = graph.addValue(Value(name: "y", type: type))
    let z = graph.addValue(Value(name: "z"))
    branch.captures = [Capture(outer: x, inner: captured)]
    var attributes: Attributes = [
      "int": .int(-3), "float": .float(0.5), "string": .string("é"), "bytes": .bytes([0xFF, 0]),
      "tensor": .tensor(try Tensor(shape: [1], strings: ["t"])), "sparse": .sparseTensor(sparse),
      "type": .type(.map(key: .string, value: .opaque(domain: "d", name: "n"))), "ints": .ints([]),
      "floats": .floats([1]), "strings": .strings(["a", ""]), "tensors": .tensors([try Tensor(scalar: 1)]),
      "graphs": .graphs([]), "types": .types([type]),
    ]
    attributes.documentation["int"] = "minus three"
    attributes.tensorNames["tensor"] = "own name"
    var unknown = Node(
      name: "custom", op: "com.example.Custom", inputs: [x, .none, weight, sequence], outputs: [.none, z],
      attributes: attributes)
    unknown.documentation = "unknown to everybody"
    unknown.overload = "o"
    unknown.metadata = [MetadataEntry(key: "a", value: "b")]
    let choose = Node(
      name: "choose", op: "If", inputs: [condition], outputs: [y],
      attributes: ["then_branch": .graph(branch), "else_branch": .graph(branch)])
    graph.nodes = [unknown, choose]
    graph.inputs = [x, condition, sequence]
    graph.outputs = [y, z]
    graph.quantizationAnnotations = [
      QuantizationAnnotation(valueName: "x", parameters: [MetadataEntry(key: "SCALE_TENSOR", value: "w")])
    ]
    return Model(graph: graph, irVersion: 13, opsets: ["": 25, "com.example": 1])
  }

  private func withFunction(_ model: Model) -> Model {
    var model = model
    var body = Graph(name: "F")
    let a = body.addValue(Value(name: "a"))
    let b = body.addValue(Value(name: "b"))
    body.inputs = [a]
    body.outputs = [b]
    body.nodes = [
      Node(
        op: "LeakyRelu", inputs: [a], outputs: [b],
        attributes: ["alpha": .reference(name: "slope", kind: .float)])
    ]
    var function = Function(op: OperatorName(domain: "com.example", type: "F"), body: body)
    function.attributeNames = ["other"]
    function.defaultAttributes = ["slope": .float(0.1)]
    function.opsets = ["": 25]
    model.functions = [function]
    model.producerName = "p"
    model.modelVersion = 4
    model.metadata = [MetadataEntry(key: "m", value: "n")]
    var device = Onnx_DeviceConfigurationProto()
    device.name = "two"
    device.numDevices = 2
    model.deviceConfigurations = [(try? ModelFile.encode(device)) ?? []]
    return model
  }

  @Test func nothingIsLost() throws {
    let bytes = try withFunction(everything()).serialized()
    let again = try Model.load(bytes: bytes).serialized()
    let first = try ModelFile.decodeTrusted(bytes, as: Onnx_ModelProto.self)
    #expect(try ModelFile.decodeTrusted(again, as: Onnx_ModelProto.self) == first)
    // What the comparison rests on: the file has it all.
    #expect(first.graph.input[0].type.denotation == "IMAGE")
    #expect(first.graph.sparseInitializer.count == 1)
    #expect(first.graph.quantizationAnnotation.count == 1)
    #expect(first.graph.node[0].input == ["x", "", "w", "q"])
    #expect(first.graph.node[0].attribute.count == 13)
    #expect(first.graph.node[1].attribute[0].g.node[0].input == ["x"])
    #expect(first.functions[0].node[0].attribute[0].refAttrName == "slope")
    #expect(first.configuration[0].numDevices == 2)
    #expect(first.graph.initializer[0].rawData.count == 12)
  }

  @Test func capturesFollowRenamedValues() throws {
    var model = try everything()
    model.graph.values[0].name = "renamed"
    let message = try ModelFile.decodeTrusted(model.serialized(), as: Onnx_ModelProto.self)
    #expect(message.graph.node[1].attribute[0].g.node[0].input == ["renamed"])
    #expect(message.graph.quantizationAnnotation.isEmpty)
  }

  @Test func refusesTwoValuesOfOneName() throws {
    var model = try everything()
    model.graph.values[1].name = "x"
    #expect(throws: GraphError.duplicateValue(graph: "main", value: "x")) { try model.serialized() }
  }

  @Test func largeTensorsGoBesideTheModel() throws {
    let directory = NSTemporaryDirectory() + "adze-save-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var builder = GraphBuilder()
    try builder.input("x", "f32[1000]")
    try builder.constant("w", [Float](repeating: 3, count: 1000))
    try builder.constant("v", (0..<500).map(Float.init))
    try builder.constant("small", [1])
    builder.node("Sum", ["x", "w", "v", "small"], ["y"])
    builder.output("y")
    let path = directory + "/m.onnx"
    try builder.model().save(path: path, maximumInlineBytes: 100)
    let message = try ModelFile.decodeTrusted(
      Array(Data(contentsOf: URL(filePath: path))), as: Onnx_ModelProto.self)
    #expect(
      message.graph.initializer.map { $0.externalData.first?.value } == ["m.onnx.data", "m.onnx.data", nil])
    #expect(message.graph.initializer[1].externalData[1].value == "4096")
    let model = try Model.load(path: path)
    #expect(model.graph.value("w")?.constant == builder.graph.value("w")?.constant)
    #expect(model.graph.value("v")?.constant == builder.graph.value("v")?.constant)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory).sorted() == ["m.onnx", "m.onnx.data"])
  }

  @Test func sparseTensorsExpand() throws {
    let values = try Tensor(shape: [2], [Float(5), 6])
    let linear = SparseTensor(shape: [2, 2], values: values, indices: try Tensor(shape: [2], [1, 2]))
    #expect(try linear.dense(name: "s") == Tensor(shape: [2, 2], [Float(0), 5, 6, 0]))
    let packed = SparseTensor(
      shape: [5], values: try Tensor(packing: [7, 9], type: .uint4, shape: [2]),
      indices: try Tensor(shape: [2], [1, 4]))
    #expect(try packed.dense(name: "s").unpackedCodes == [0, 7, 0, 0, 9])
    for indices in [[2, 1], [1, 1], [0, 4], [-1, 0]] {
      let wrong = SparseTensor(shape: [2, 2], values: values, indices: try Tensor(shape: [2], indices))
      #expect(throws: GraphError.self) { try wrong.dense(name: "s") }
    }
    let outside = SparseTensor(
      shape: [2, 2], values: values, indices: try Tensor(shape: [2, 2], [0, 0, 0, 2]))
    #expect(throws: GraphError.self) { try outside.dense(name: "s") }
  }
}
