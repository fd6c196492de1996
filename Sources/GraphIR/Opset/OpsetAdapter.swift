/// What each operator change between opset 1 and the newest asks of a node.
///
/// Changes that only add types, attributes with a default of the old meaning, or optional inputs need no adapter.
enum OpsetAdapter {
  case axesToInput, sliceBoundsToInputs, splitToInput, splitNumberOfOutputs, topKToInput
  case dftAxisToInput, upsampleScalesToInput, clipBoundsToInputs, padsToInputs, dropoutRatioToInput
  case upsampleToResize, resizeModes, resizeOptionalInputs, softmaxAlongOneAxis
  case batchNormalizationSpatial, batchNormalizationTraining, groupNormalizationPerChannel
  case dropoutMaskToBool, scatterToScatterElements, roiAlignCoordinates, gridSampleModeNames
  case scanBatch
  case numpyBroadcasting, channelSlope, gemmBroadcasting, castTypeNames, concatAxis, dropAttributes
  case batchNormalizationTest, reshapeToInput, padNames, upsampleSides, seluDefaults, normToInteger, tileAxis

  struct Key: Hashable {
    let type: String
    let version: Int
  }

  static let table: [Key: OpsetAdapter] = {
    var table: [Key: OpsetAdapter] = [:]
    for (type, version, adapter) in rows { table[Key(type: type, version: version)] = adapter }
    for name in ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"] {
      table[Key(type: "Reduce" + name, version: 18)] = .axesToInput
    }
    for name in ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Greater", "Less", "Equal"] {
      table[Key(type: name, version: 7)] = .numpyBroadcasting
    }
    return table
  }()

  private static let rows: [(type: String, version: Int, adapter: OpsetAdapter)] = [
    ("BatchNormalization", 7, .batchNormalizationTest),
    ("Cast", 6, .castTypeNames),
    ("Concat", 4, .concatAxis),
    ("Dropout", 7, .dropAttributes),
    ("GRU", 7, .dropAttributes),
    ("Gemm", 7, .gemmBroadcasting),
    ("GlobalLpPool", 2, .normToInteger),
    ("LSTM", 7, .dropAttributes),
    ("LpPool", 2, .normToInteger),
    ("PRelu", 7, .channelSlope),
    ("Pad", 2, .padNames),
    ("RNN", 7, .dropAttributes),
    ("Reshape", 5, .reshapeToInput),
    ("Selu", 6, .seluDefaults),
    ("Tile", 6, .tileAxis),
    ("Upsample", 7, .upsampleSides),
    ("BatchNormalization", 9, .batchNormalizationSpatial),
    ("BatchNormalization", 14, .batchNormalizationTraining),
    ("Clip", 11, .clipBoundsToInputs),
    ("DFT", 20, .dftAxisToInput),
    ("Dropout", 10, .dropoutMaskToBool),
    ("Dropout", 12, .dropoutRatioToInput),
    ("GridSample", 20, .gridSampleModeNames),
    ("GroupNormalization", 21, .groupNormalizationPerChannel),
    ("Hardmax", 13, .softmaxAlongOneAxis),
    ("LogSoftmax", 13, .softmaxAlongOneAxis),
    ("Pad", 11, .padsToInputs),
    ("ReduceSum", 13, .axesToInput),
    ("Resize", 11, .resizeModes),
    ("Resize", 13, .resizeOptionalInputs),
    ("RoiAlign", 16, .roiAlignCoordinates),
    ("Scan", 9, .scanBatch),
    ("Scatter", 11, .scatterToScatterElements),
    ("Slice", 10, .sliceBoundsToInputs),
    ("Softmax", 13, .softmaxAlongOneAxis),
    ("Split", 13, .splitToInput),
    ("Split", 18, .splitNumberOfOutputs),
    ("Squeeze", 13, .axesToInput),
    ("TopK", 10, .topKToInput),
    ("Unsqueeze", 13, .axesToInput),
    ("Upsample", 9, .upsampleScalesToInput),
    ("Upsample", 10, .upsampleToResize),
  ]

  /// - Throws: `GraphError.unconvertible` when the node has no equal, `.invalidNode` when it breaks a rule of the
  ///   opset it has.
  func apply(to context: inout NodeAdaptation) throws(GraphError) {
    switch self {
    case .axesToInput: try Self.axesToInput(&context)
    case .sliceBoundsToInputs: try Self.sliceBoundsToInputs(&context)
    case .splitToInput: try Self.splitToInput(&context)
    case .splitNumberOfOutputs: Self.splitNumberOfOutputs(&context)
    case .topKToInput: try Self.topKToInput(&context)
    case .dftAxisToInput: try Self.dftAxisToInput(&context)
    case .upsampleScalesToInput: try Self.upsampleScalesToInput(&context)
    case .clipBoundsToInputs: try Self.clipBoundsToInputs(&context)
    case .padsToInputs: try Self.padsToInputs(&context)
    case .dropoutRatioToInput: try Self.dropoutRatioToInput(&context)
    case .upsampleToResize: Self.upsampleToResize(&context)
    case .resizeModes: try Self.resizeModes(&context)
    case .resizeOptionalInputs: try Self.resizeOptionalInputs(&context)
    case .softmaxAlongOneAxis: try Self.softmaxAlongOneAxis(&context)
    case .batchNormalizationSpatial: try Self.batchNormalizationSpatial(&context)
    case .batchNormalizationTraining: try Self.batchNormalizationTraining(&context)
    case .groupNormalizationPerChannel: try Self.groupNormalizationPerChannel(&context)
    case .dropoutMaskToBool: try Self.dropoutMaskToBool(&context)
    case .scatterToScatterElements: Self.scatterToScatterElements(&context)
    case .roiAlignCoordinates: Self.roiAlignCoordinates(&context)
    case .gridSampleModeNames: Self.gridSampleModeNames(&context)
    case .scanBatch: try Self.scanBatch(&context)
    case .numpyBroadcasting: try Self.numpyBroadcasting(&context)
    case .channelSlope: try Self.alignSecondInput(&context, axis: 1)
    case .gemmBroadcasting: context.node.attributes["broadcast"] = nil
    case .castTypeNames: try Self.castTypeNames(&context)
    case .concatAxis: Self.concatAxis(&context)
    case .dropAttributes: Self.dropAttributes(&context)
    case .batchNormalizationTest: try Self.batchNormalizationTest(&context)
    case .reshapeToInput: try context.moveIntegers("shape", toInput: 1)
    case .padNames: Self.padNames(&context)
    case .upsampleSides: try Self.upsampleSides(&context)
    case .seluDefaults: Self.seluDefaults(&context)
    case .normToInteger: try Self.normToInteger(&context)
    case .tileAxis: throw context.refusal("its form with one axis went")
    }
  }
}
