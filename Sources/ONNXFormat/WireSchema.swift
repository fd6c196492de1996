/// The messages of onnx.proto as far as the scan before decoding must tell them apart.
enum WireMessage {
  case model, graph, node, function, attribute, tensor, sparseTensor
  case valueInfo, type, typeSequence, typeMap, typeTensor, shape, dimension
  case trainingInfo, annotation, entry, leaf
  case nodeDevices, sharding, shardedDimension

  /// How the scan treats a length-delimited field.
  enum Field {
    case message(WireMessage)
    /// A string, bytes, or a field that is unknown.
    case bytes
    /// Packed variable-length integers, each of which takes `width` bytes once decoded.
    case packedIntegers(width: Int)
  }

  func field(_ number: UInt64) -> Field {
    switch self {
    case .model: Self.modelField(number)
    case .graph: Self.graphField(number)
    case .node: Self.nodeField(number)
    case .function: Self.functionField(number)
    case .attribute: Self.attributeField(number)
    case .tensor: Self.tensorField(number)
    case .sparseTensor:
      switch number {
      case 1, 2: .message(.tensor)
      case 3: .packedIntegers(width: 8)
      default: .bytes
      }
    case .trainingInfo:
      switch number {
      case 1, 2: .message(.graph)
      case 3, 4: .message(.entry)
      default: .bytes
      }
    case .annotation: number == 2 ? .message(.entry) : .bytes
    case .valueInfo, .type, .typeSequence, .typeMap, .typeTensor, .shape: typeField(number)
    case .nodeDevices: number == 2 ? .message(.sharding) : .bytes
    case .sharding:
      switch number {
      case 2: .packedIntegers(width: 8)
      case 3: .message(.leaf)
      case 4: .message(.shardedDimension)
      default: .bytes
      }
    case .shardedDimension: number == 2 ? .message(.leaf) : .bytes
    // Its only repeated field may be packed integers (IntIntListEntryProto); elsewhere it is text.
    case .leaf: number == 2 ? .packedIntegers(width: 8) : .bytes
    case .entry, .dimension: .bytes
    }
  }

  private static func modelField(_ number: UInt64) -> Field {
    switch number {
    case 7: .message(.graph)
    case 8, 26: .message(.entry)
    case 14: .message(.entry)
    case 20: .message(.trainingInfo)
    case 25: .message(.function)
    default: .bytes
    }
  }

  private static func graphField(_ number: UInt64) -> Field {
    switch number {
    case 1: .message(.node)
    case 5: .message(.tensor)
    case 11, 12, 13: .message(.valueInfo)
    case 14: .message(.annotation)
    case 15: .message(.sparseTensor)
    case 16: .message(.entry)
    default: .bytes
    }
  }

  private static func nodeField(_ number: UInt64) -> Field {
    switch number {
    case 5: .message(.attribute)
    case 9: .message(.entry)
    case 10: .message(.nodeDevices)
    default: .bytes
    }
  }

  private static func functionField(_ number: UInt64) -> Field {
    switch number {
    case 7: .message(.node)
    case 9, 14: .message(.entry)
    case 11: .message(.attribute)
    case 12: .message(.valueInfo)
    default: .bytes
    }
  }

  private static func attributeField(_ number: UInt64) -> Field {
    switch number {
    case 5, 10: .message(.tensor)
    case 6, 11: .message(.graph)
    case 8: .packedIntegers(width: 8)
    case 14, 15: .message(.type)
    case 22, 23: .message(.sparseTensor)
    default: .bytes
    }
  }

  private static func tensorField(_ number: UInt64) -> Field {
    switch number {
    case 1, 7, 11: .packedIntegers(width: 8)
    case 5: .packedIntegers(width: 4)
    case 3, 13, 16: .message(.entry)
    default: .bytes
    }
  }

  private func typeField(_ number: UInt64) -> Field {
    switch (self, number) {
    case (.valueInfo, 2): .message(.type)
    case (.valueInfo, 4): .message(.entry)
    case (.type, 1), (.type, 8): .message(.typeTensor)
    case (.type, 4), (.type, 9): .message(.typeSequence)
    case (.type, 5): .message(.typeMap)
    case (.type, 7): .message(.entry)
    case (.typeSequence, 1), (.typeMap, 2): .message(.type)
    case (.typeTensor, 2): .message(.shape)
    case (.shape, 1): .message(.dimension)
    default: .bytes
    }
  }
}
