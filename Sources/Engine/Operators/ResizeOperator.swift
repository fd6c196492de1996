import GraphIR
import Tensors

extension EngineTable {
  static let resizeOperators: [OperatorEntry] = [
    OperatorEntry("Resize", types: .byteSized, widensHalves: false) { source in
      let attributes = try ResizeAttributes(source.node)
      if attributes.mode == .nearest && attributes.coordinates != .cropAndResize {
        return NearestResizeOperator(attributes: attributes)
      }
      switch source.element(0) {
      case .float16?, .bfloat16?: return WidenedOperator(ResizeOperator<Float, Float>(attributes: attributes))
      case .float32?: return ResizeOperator<Float, Float>(attributes: attributes)
      case .float64?: return ResizeOperator<Double, Double>(attributes: attributes)
      case .uint8?: return ResizeOperator<UInt8, Float>(attributes: attributes)
      case .int8?: return ResizeOperator<Int8, Float>(attributes: attributes)
      case .int32?: return ResizeOperator<Int32, Double>(attributes: attributes)
      case let element?: throw OperatorFailure.type(element)
      case nil: throw OperatorFailure.invalid("input 0 is no tensor")
      }
    }
  ]
}

extension ResizeAttributes {
  /// The taps of every axis of the input.
  fileprivate func taps(_ request: PrepareRequest) throws -> [ResizeTaps] {
    let input = try request.input(0).shape
    let output = try request.output().shape
    let axes = try resolveAxes(rank: input.rank)
    let scales = try scales(request, input, output, axes)
    let roi = try regions(request, count: axes.count)
    let isByScale = request.constant(2).map { $0.elementCount > 0 } ?? false
    return try (0..<input.rank).map { axis in
      let place = axes.firstIndex(of: axis)
      let scale = place.map { scales[$0] } ?? 1
      return try ResizeTaps(
        self, input: input[axis], output: output[axis], scale: scale,
        length: isByScale ? scale * Float(input[axis]) : Float(output[axis]),
        roi: place.map { (roi[$0], roi[$0 + axes.count]) } ?? (0, 1))
    }
  }

  private func scales(
    _ request: PrepareRequest, _ input: Shape, _ output: Shape, _ axes: [Int]
  ) throws -> [Float] {
    if let scales = request.constant(2), scales.elementCount > 0 { return scales.array(of: Float.self) }
    let ratios = axes.map { Float(output[$0]) / Float(max(input[$0], 1)) }
    if aspectRatio == .stretch { return ratios }
    // All axes share the scale that the sizes asked for, before the extents were rounded.
    let wanted = zip(try request.integers(3), axes).map { Float($0) / Float(max(input[$1], 1)) }
    let scale = aspectRatio == .notLarger ? wanted.min() : wanted.max()
    return ratios.map { scale ?? $0 }
  }

  /// Starts, then ends, of the region of interest; only `tf_crop_and_resize` reads it.
  private func regions(_ request: PrepareRequest, count: Int) throws -> [Float] {
    let whole = Array(repeating: Float(0), count: count) + Array(repeating: 1, count: count)
    if coordinates != .cropAndResize { return whole }
    guard let roi = request.constant(1) else {
      throw OperatorFailure.notKnown(input: 1)
    }
    let values: [Float]
    switch roi.type {
    case .float32: values = roi.array(of: Float.self)
    case .float64: values = roi.array(of: Double.self).map { Float($0) }
    default: throw OperatorFailure.type(roi.type)
    }
    guard values.count == 2 * count else {
      throw OperatorFailure.invalid("\(values.count) numbers in the region")
    }
    return values
  }
}

/// `Resize` to the nearest neighbour: elements are moved as plain bytes.
struct NearestResizeOperator: ShapedOperator {
  let attributes: ResizeAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let taps = try attributes.taps(request)
    return try request.input(0).element.withBitsOfWidth(Builder(taps: taps, request: request))
  }

  private struct Builder: BitsOfWidthVisitor {
    let taps: [ResizeTaps]
    let request: PrepareRequest

    func visit<Bits: BitwiseCopyable>(_: Bits.Type) throws -> Kernel {
      let output = try request.output().shape
      if output.elementCount == 0 { return .nothing }
      let input = try request.input(0).shape
      if input.elementCount == 0 { throw OperatorFailure.invalid("an empty tensor cannot be resized") }
      let strides = input.strides
      let offsets = taps.enumerated().map { axis, taps in taps.positions.map { $0 * strides[axis] } }
      let columns = offsets.last ?? [0]
      let rows = Array(offsets.dropLast())
      return Kernel(
        "resize_nearest", units: output.elementCount / columns.count, costPerUnit: columns.count * 2,
        threads: request.threads
      ) { operands, range in
        for row in range {
          var rest = row
          var offset = 0
          for axis in stride(from: rows.count - 1, through: 0, by: -1) {
            let (quotient, index) = rest.quotientAndRemainder(dividingBy: rows[axis].count)
            offset += rows[axis][index]
            rest = quotient
          }
          let source = operands.input(0, as: Bits.self) + offset
          let target = operands.output(0, as: Bits.self) + row * columns.count
          for column in columns.indices { target[column] = source[columns[column]] }
        }
      }
    }
  }
}

/// `Resize` by interpolation, one axis after the other. `Work` is what sums are kept in.
struct ResizeOperator<Element: ArithmeticElement, Work: ArithmeticElement & BinaryFloatingPoint>:
  ShapedOperator
{
  let attributes: ResizeAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    if input.elementCount == 0 { throw OperatorFailure.invalid("an empty tensor cannot be resized") }
    let taps = try attributes.taps(request)
    let passes = Self.passes(taps, input: input)
    let largest = passes.map(\.outputCount).max() ?? input.elementCount
    let buffer = (max(largest, input.elementCount) * MemoryLayout<Work>.stride + 63) & ~63
    let fill = Work(attributes.extrapolationValue)
    let inputCount = input.elementCount
    var phases = [
      Kernel.Phase(pieces: 1) { operands, _ in
        let source: UnsafePointer<Element> = operands.input(0)
        let target = operands.sharedScratch.assumingMemoryBound(to: Work.self)
        for index in 0..<inputCount { target[index] = Work(source[index].asDouble) }
      }
    ]
    for (number, pass) in passes.enumerated() {
      let split = WorkSplit(
        units: pass.rows, costPerUnit: pass.inner * pass.taps.count * 2, threads: request.threads)
      phases.append(
        Kernel.Phase(pieces: split.pieces) { operands, piece in
          let buffers = operands.sharedScratch
          let source = (buffers + number % 2 * buffer).assumingMemoryBound(to: Work.self)
          let target = (buffers + (number + 1) % 2 * buffer).assumingMemoryBound(to: Work.self)
          for row in split.range(of: piece) { pass.run(row, source, target, fill) }
        })
    }
    let last = passes.count % 2 * buffer
    let outputCount = output.elementCount
    phases.append(
      Kernel.Phase(pieces: 1) { operands, _ in
        let source = (operands.sharedScratch + last).assumingMemoryBound(to: Work.self)
        let target: UnsafeMutablePointer<Element> = operands.output()
        for index in 0..<outputCount { target[index] = Element(saturating: Double(source[index])) }
      })
    return Kernel("resize", phases: phases, sharedScratch: 2 * buffer)
  }

  private static func passes(_ taps: [ResizeTaps], input: Shape) -> [Pass] {
    var shape = input
    var passes: [Pass] = []
    for (axis, taps) in taps.enumerated() where !taps.isIdentity {
      let inner = shape.product((axis + 1)..<shape.rank)
      let extent = shape[axis]
      shape[axis] = taps.isOutside.count
      passes.append(
        Pass(
          taps: taps, weights: taps.weights.map { Work($0) }, extent: extent, output: shape[axis],
          inner: inner,
          rows: shape.product(0..<(axis + 1)), outputCount: shape.elementCount))
    }
    return passes
  }

  /// The interpolation along one axis: each row of `inner` elements is a weighted sum of input rows.
  private struct Pass {
    let taps: ResizeTaps
    let weights: [Work]
    let extent: Int
    let output: Int
    let inner: Int
    let rows: Int
    let outputCount: Int

    func run(
      _ row: Int, _ source: UnsafePointer<Work>, _ target: UnsafeMutablePointer<Work>, _ fill: Work
    ) {
      let (block, position) = row.quotientAndRemainder(dividingBy: output)
      let result = target + row * inner
      if taps.isOutside[position] {
        result.update(repeating: fill, count: inner)
        return
      }
      let start = source + block * extent * inner
      result.update(repeating: 0, count: inner)
      for tap in (position * taps.count)..<((position + 1) * taps.count) {
        let weight = weights[tap]
        if weight == 0 { continue }
        let line = start + taps.positions[tap] * inner
        for index in 0..<inner { result[index] += weight * line[index] }
      }
    }
  }
}
