import CKernels
import GraphIR
import Tensors

/// Scales and zero points of an integer product, as inputs of a node, made ready for the kernel in each run:
/// widened, combined, at fixed places of the shared scratch memory.
struct IntegerParameters {
  /// An input of the node that holds one value for all, or one for each row or column.
  struct Source {
    let input: Int
    let type: OperandType

    var count: Int { type.elementCount }
  }

  var aZeroPoint: Source?
  var bZeroPoint: Source?
  var aScale: Source?
  var bScale: Source?
  var cScale: Source?
  var cZeroPoint: Source?
  /// One value for each row or column of C: float32 in real units, or int32 in units of the product of scales.
  var bias: Source?
  /// The places when they were filled before the run, in place of the shared scratch memory.
  private var filled: AlignedBuffer?

  /// Bytes at the start of the shared scratch memory.
  var byteCount: Int {
    let values = [aZeroPoint, bZeroPoint, aScale, bScale, bias].reduce(0) { $0 + ($1?.count ?? 0) }
    return (values * 4 + 127) & ~63
  }

  /// Fills the places now when all values are weights of the model; `prologue` is not needed then.
  mutating func fill(_ request: PrepareRequest) throws {
    let sources = [aZeroPoint, bZeroPoint, aScale, bScale, cScale, bias].compactMap { $0 }
    guard sources.allSatisfy({ request.weight($0.input) != nil }) else { return }
    let places = try AlignedBuffer(byteCount: byteCount)
    let pointers = request.constants.map { $0?.buffer?.bytes.baseAddress }
    let prologue = try prologue()
    try pointers.withUnsafeBufferPointer { pointers in
      let operands = KernelOperands(
        pointers: pointers.baseAddress!, inputCount: pointers.count, sharedScratch: places.bytes.baseAddress!,
        threadScratch: places.bytes.baseAddress!)
      try prologue.body(operands, 0)
    }
    withExtendedLifetime(request.constants) {}
    filled = places
  }

  /// The phase that fills the places, if they are not filled yet.
  func prologues() throws -> [Kernel.Phase] { filled == nil ? [try prologue()] : [] }

  private func start(_ operands: KernelOperands) -> UnsafeMutableRawPointer {
    filled?.bytes.baseAddress ?? operands.sharedScratch
  }

  private struct Places {
    let aZeroPoint = 0
    let bZeroPoint: Int
    let aScale: Int
    let bScale: Int
    let bias: Int
  }

  private var places: Places {
    let second = aZeroPoint?.count ?? 0
    let third = second + (bZeroPoint?.count ?? 0)
    let fourth = third + (aScale?.count ?? 0)
    return Places(bZeroPoint: second, aScale: third, bScale: fourth, bias: fourth + (bScale?.count ?? 0))
  }

  /// Fills the places. Scales and a float32 bias are divided by C's scale, so that everything is in units of C.
  func prologue() throws -> Kernel.Phase {
    let aReader = try aZeroPoint.map { try QuantizedElements($0.type.element) }
    let bReader = try bZeroPoint.map { try QuantizedElements($0.type.element) }
    let places = places
    let parameters = self
    return Kernel.Phase(pieces: 1) { operands, _ in
      let integers = operands.sharedScratch.assumingMemoryBound(to: Int32.self)
      let floats = operands.sharedScratch.assumingMemoryBound(to: Float.self)
      Self.fill(integers + places.aZeroPoint, parameters.aZeroPoint, aReader, operands)
      Self.fill(integers + places.bZeroPoint, parameters.bZeroPoint, bReader, operands)
      let divisor = parameters.resultScale(operands)
      parameters.fillScales(floats, places, divisor, operands)
      parameters.fillBias(floats, places, divisor, operands)
    }
  }

  private static func fill(
    _ destination: UnsafeMutablePointer<Int32>, _ source: Source?, _ reader: QuantizedElements?,
    _ operands: KernelOperands
  ) {
    guard let source, let reader else { return }
    for index in 0..<source.count { destination[index] = reader.read(operands.rawInput(source.input), index) }
  }

  private static func fill(
    _ destination: UnsafeMutablePointer<Float>, _ source: Source?, divisor: Float, _ operands: KernelOperands
  ) {
    guard let source else { return }
    let values: UnsafePointer<Float> = operands.input(source.input)
    for index in 0..<source.count { destination[index] = values[index] / divisor }
  }

  /// As onnxruntime combines them: A's scale times B's, divided by C's. The one with fewer values becomes 1.
  private func fillScales(
    _ floats: UnsafeMutablePointer<Float>, _ places: Places, _ divisor: Float, _ operands: KernelOperands
  ) {
    Self.fill(floats + places.aScale, aScale, divisor: 1, operands)
    Self.fill(floats + places.bScale, bScale, divisor: 1, operands)
    let (a, b) = (floats + places.aScale, floats + places.bScale)
    guard let aCount = aScale?.count, let bCount = bScale?.count, aCount == 1 || bCount == 1 else {
      for index in 0..<(aScale?.count ?? 0) { a[index] /= divisor }
      return
    }
    let (many, single) = aCount > 1 ? (a, b) : (b, a)
    for index in 0..<max(aCount, bCount) { many[index] = single[0] * many[index] / divisor }
    single[0] = 1
  }

  private func fillBias(
    _ floats: UnsafeMutablePointer<Float>, _ places: Places, _ divisor: Float, _ operands: KernelOperands
  ) {
    guard let bias else { return }
    if bias.type.element == .float32 {
      Self.fill(floats + places.bias, bias, divisor: divisor, operands)
    }
  }

  /// An int32 bias, which is added to the exact sums.
  func offsets(_ operands: KernelOperands) -> UnsafePointer<Int32>? {
    guard let bias, bias.type.element == .int32 else { return nil }
    return operands.input(bias.input)
  }

  /// C's scale, 1 when the result is not quantized.
  func resultScale(_ operands: KernelOperands) -> Float {
    cScale.map { operands.input($0.input, as: Float.self)[0] } ?? 1
  }

  /// Where the prepared float32 bias is; nil without one.
  func preparedBias(_ operands: KernelOperands) -> UnsafePointer<Float>? {
    if bias?.type.element != .float32 { return nil }
    return UnsafePointer(start(operands).assumingMemoryBound(to: Float.self) + places.bias)
  }

  /// The epilogue without bias: limits of a clamp in units of C.
  func epilogue(_ activation: Activation?, _ operands: KernelOperands) -> adze_epilogue_f32 {
    var epilogue = adze_epilogue_f32(activation)
    let divisor = resultScale(operands)
    epilogue.minimum /= divisor
    epilogue.maximum /= divisor
    return epilogue
  }

  /// Points `gemm` to the places. `rowOffset` is the first row's place in per-row values (grouped convolution).
  func apply(to gemm: inout adze_gemm_i8, _ operands: KernelOperands, rowOffset: Int = 0) {
    let places = places
    let integers = UnsafePointer(start(operands).assumingMemoryBound(to: Int32.self))
    let floats = UnsafePointer(start(operands).assumingMemoryBound(to: Float.self))
    func first(_ source: Source) -> Int { source.count > 1 ? rowOffset : 0 }
    if let source = aZeroPoint {
      gemm.a_zero_point = integers + places.aZeroPoint + first(source)
      gemm.a_zero_point_stride = source.count > 1 ? 1 : 0
    }
    if let source = bZeroPoint {
      gemm.b_zero_point = integers + places.bZeroPoint
      gemm.b_zero_point_stride = source.count > 1 ? 1 : 0
    }
    if let source = aScale {
      gemm.a_scale = floats + places.aScale + first(source)
      gemm.a_scale_stride = source.count > 1 ? 1 : 0
    }
    if let source = bScale {
      gemm.b_scale = floats + places.bScale
      gemm.b_scale_stride = source.count > 1 ? 1 : 0
    }
    if let source = cZeroPoint {
      let bytes = operands.rawInput(source.input)
      gemm.c_zero_point =
        source.type.element == .int8 ? Int32(bytes.load(as: Int8.self)) : Int32(bytes.load(as: UInt8.self))
    }
  }
}

extension adze_gemm_i8 {
  /// A product without zero points, scales and epilogue; operands are still to be set.
  init(
    rows: Int, columns: Int, depth: Int, aSigned: Bool, bSigned: Bool, a: UnsafeRawPointer,
    b: UnsafeRawPointer, c: UnsafeMutableRawPointer, output: adze_i8_output
  ) {
    self.init(
      m: rows, n: columns, k: depth, a: a, a_source: ADZE_I8_A_INTEGERS, a_signed: aSigned,
      a_row_stride: depth, a_column_stride: 1,
      a_zero_point: nil, a_zero_point_stride: 0, b_packed: b, b_signed: bSigned, b_zero_point: nil,
      b_zero_point_stride: 0, row_offset: nil, column_offset: nil, output: output, c: c,
      c_row_stride: columns, a_scale: nil, a_scale_stride: 0,
      b_scale: nil, b_scale_stride: 0, epilogue: .none, c_zero_point: 0)
  }
}
