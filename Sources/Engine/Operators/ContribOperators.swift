import GraphIR
import Tensors

extension EngineTable {
  /// Operators of com.microsoft that are not written with those of ai.onnx.
  static let contribOperators: [OperatorEntry] = [
    OperatorEntry("com.microsoft.MatMulNBits", types: .single) { try PackedWeightMatMul($0) },
    OperatorEntry(FusedOperator.blockMatMul, types: .single, widensHalves: false) {
      try PackedWeightMatMul($0)
    },
    OperatorEntry("com.microsoft.GatherBlockQuantized", types: .single, typedInput: 2) { source in
      GatherBlocks(attributes: try GatherBlocksAttributes(source.node))
    },
    OperatorEntry("com.microsoft.DynamicQuantizeLSTM", types: .single) { try DynamicQuantizedLSTM($0) },
    OperatorEntry("com.microsoft.CDist", types: .floats) { source in
      let metric = try DistanceMetric(source.node)
      if source.element(0) == .float64 { return DistanceOperator<Double>(metric: metric) }
      return DistanceOperator<Float>(metric: metric)
    },
    OperatorEntry("com.microsoft.Inverse", types: .floats) { source in
      if source.element(0) == .float64 { return InverseOperator<Double>() }
      return InverseOperator<Float>()
    },
    OperatorEntry("com.microsoft.CropAndResize", types: .single) { source in
      CropAndResizeOperator(attributes: try CropAndResizeAttributes(source.node))
    },
    OperatorEntry("com.microsoft.NGramRepeatBlock", types: .single, typedInput: 1) { source in
      RepeatedNGrams(size: try source.node.requiredInt("ngram_size"))
    },
    OperatorEntry(dynamic: "com.microsoft.MurmurHash3") { source in
      MurmurHash(
        seed: UInt32(truncatingIfNeeded: try source.node.int("seed", default: 0)),
        isUnsigned: try source.node.flag("positive", default: true))
    },
  ]
}
