import Tensors

extension QuantizeStep.Weights {
  /// False for float16, bfloat16 and codebooks, whose codes say it all.
  var hasScales: Bool { self != .fp16 && self != .bf16 && self != .codebook }
}

extension QuantizeStep {
  /// The numbers that codes stand for; nil for shorter floating-point numbers.
  var grid: (any WeightGrid)? {
    switch weights {
    case .int8: IntegerGrid(bits: 8, isSymmetric: true)
    case .uint8: IntegerGrid(bits: 8, isSymmetric: true, isUnsigned: true)
    case .int4: IntegerGrid(bits: 4, isSymmetric: true)
    case .int3: IntegerGrid(bits: 3, isSymmetric: true)
    case .int2: IntegerGrid(bits: 2, isSymmetric: true)
    case .fixed8: PowerOfTwoGrid()
    case .minmax: IntegerGrid(bits: bits, isSymmetric: false)
    case .binary: SignGrid(isTernary: false)
    case .ternary: SignGrid(isTernary: true)
    case .codebook: CodebookGrid(clusters: clusters)
    case .fp16, .bf16, .fp8: nil
    }
  }

  /// The type of the codes.
  var storage: ElementType {
    switch weights {
    case .fp16: .float16
    case .bf16: .bfloat16
    case .fp8: .float8e4m3fn
    default: grid?.storage ?? .int8
    }
  }
}

extension ElementType {
  /// The operator set from which on DequantizeLinear, or Cast, takes codes of this type, an axis of scales included.
  var dequantizationOpset: Int {
    switch self {
    case .float8e4m3fn: 19
    case .int4, .uint4: 21
    case .int2, .uint2: 25
    default: 13
    }
  }
}
