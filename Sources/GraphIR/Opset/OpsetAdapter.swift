/// What each operator change between opset 7 and the newest asks of a node.
///
/// Changes that only add types, attributes with a default of the old meaning, or optional inputs need no adapter.
enum OpsetAdapter {
  case axesToInput, sliceBoundsToInputs, splitToInput, splitNumberOfOutputs, topKToInput
  case dftAxisToInput, upsampleScalesToInput, clipBoundsToInputs, padsToInputs, dropoutRatioToInput
  case upsampleToResize, resizeModes, resizeOptionalInputs, softmaxAlongOneAxis
  case batchNormalizationSpatial, batchNormalizationTraining, groupNormalizationPerChannel
  case dropoutMaskToBool, scatterToScatterElements, roiAlignCoordinates, gridSampleModeNames
  case scanBatch

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
    return table
  }()

  private static let rows: [(type: String, version: Int, adapter: OpsetAdapter)] = [
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
    }
  }
}
