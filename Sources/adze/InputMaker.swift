import Engine
import GraphIR
import Tensors

/// Makes inputs of the right type and shape when there are no data: the same ones for the same seed.
struct InputMaker {
  /// Extents for open dimensions, by name; one without a name goes by `input.axis`.
  var dimensions: [String: Int]
  /// Extent of a leading dimension that is not known otherwise.
  var batch: Int
  /// Names of open dimensions that nothing fixes; they get extent 1.
  private(set) var assumed: [String] = []
  /// Names of all open dimensions so far.
  private(set) var open: Set<String> = []
  private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

  init(batch: Int, dimensions: [String: Int]) {
    self.batch = batch
    self.dimensions = dimensions
  }

  mutating func shape(of port: Port) -> Shape {
    var extents: [Int] = []
    for (axis, dimension) in (port.dimensions ?? []).enumerated() {
      let name: String
      switch dimension {
      case .known(let extent):
        extents.append(extent)
        continue
      case .symbol(let symbol): name = symbol
      case .unknown: name = "\(port.name).\(axis)"
      }
      open.insert(name)
      if axis > 0 && dimensions[name] == nil {
        assumed.append(name)
        dimensions[name] = 1
      }
      extents.append(dimensions[name] ?? batch)
    }
    return Shape(extents)
  }

  /// Floats in -1..<1; integers 0 and 1, which are valid as token ids, masks and indices alike.
  mutating func tensor(for port: Port) throws(TensorError) -> Tensor {
    let shape = shape(of: port)
    var tensor = try Tensor(type: port.element, shape: shape)
    switch port.element {
    case .float32: tensor.withMutableElements(Float.self) { fill($0) { Float($0) } }
    case .float64: tensor.withMutableElements(Double.self) { fill($0) { $0 } }
    case .float16: tensor.withMutableElements(Float16.self) { fill($0) { Float16($0) } }
    case .int64: tensor.withMutableElements(Int64.self) { fill($0) { $0 < 0 ? 0 : 1 } }
    case .int32: tensor.withMutableElements(Int32.self) { fill($0) { $0 < 0 ? 0 : 1 } }
    case .uint8: tensor.withMutableElements(UInt8.self) { fill($0) { UInt8(($0 + 1) * 127) } }
    case .int8: tensor.withMutableElements(Int8.self) { fill($0) { Int8($0 * 127) } }
    case .bool: tensor.withMutableElements(Bool.self) { fill($0) { $0 < 0 } }
    default: break  // zeros are valid everywhere
    }
    return tensor
  }

  private mutating func fill<Element>(
    _ elements: UnsafeMutableBufferPointer<Element>, _ make: (Double) -> Element
  ) {
    for index in elements.indices { elements[index] = make(next()) }
  }

  /// SplitMix64, scaled to -1..<1.
  private mutating func next() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    return Double(z >> 11) * 0x1p-52 - 1
  }
}

/// `name=N` as the command line writes it.
func parseDimensions(_ texts: [String]) throws(CommandFailure) -> [String: Int] {
  var result: [String: Int] = [:]
  for text in texts {
    let parts = text.split(separator: "=", maxSplits: 1)
    guard parts.count == 2, let extent = Int(parts[1]), extent > 0 else {
      throw CommandFailure("--dim \(text): write name=N with N above 0")
    }
    result[String(parts[0])] = extent
  }
  return result
}
