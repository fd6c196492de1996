import CKernels
import GraphIR
import Glibc
import Tensors

/// `ai.adze.ConvChainNHWC`: two or three convolutions one after the other, a stripe of rows at a time, so that what lies
/// between them stays in the cache. Inputs: x, weight and bias of each, and a tensor to add to the last one's sum.
struct PixelChain: ShapedOperator {
  /// Bytes of what lies between for one stripe.
  private static let stripeBytes = 384 << 10
  /// Where a thread's scratch memory begins to be that of the layers.
  private static let stateBytes = 64

  private let stages: [PixelConvolution]
  private let nodes: [Node]

  init(_ source: OperatorSource) throws {
    nodes = Self.stages(of: source.node)
    stages = try nodes.map { try PixelConvolution($0, source.options) }
  }

  var writesPixels: Bool { true }
  func readsPixels(_ input: Int) -> Bool {
    input == 0 && stages[0].readsPixels(0) || input == 1 + 2 * stages.count
  }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let output = try request.output().shape
    if output.elementCount == 0 { return .nothing }
    let layers = try layers(request)
    let residual = 1 + 2 * layers.count
    let run = StripeRun(
      layers: layers, rows: rowsPerStripe(layers),
      hasBias: layers.indices.map { request.hasInput(2 + 2 * $0) },
      residual: request.hasInput(residual) ? residual : nil, firstBuffer: Self.stateBytes)
    let height = layers[layers.count - 1].height
    let work = layers.reduce(0) {
      $0 + $1.shape.window.outputSize * $1.shape.depth * $1.conv.groups * $1.conv.filters
    }
    let split = WorkSplit(
      units: height, costPerUnit: work / height / 16, threads: request.threads, granularity: run.rows)
    return Kernel(
      Kernels.name("conv2d_chain_f32"), pieces: output[0] * split.pieces, threadScratch: run.scratchBytes
    ) { operands, piece in
      let (image, part) = piece.quotientAndRemainder(dividingBy: split.pieces)
      run.run(operands, image: image, rows: split.range(of: part))
    }
  }

  private func layers(_ request: PrepareRequest) throws -> [PixelLayer] {
    var input = try request.input(0)
    var layers: [PixelLayer] = []
    let types = try Self.types(
      request.node, request.inputs.map { $0.map { .tensor(TensorType($0.element, shape: $0.shape)) } })
    for (index, stage) in stages.enumerated() {
      guard let weight = request.weight(1 + 2 * index), let shape = types[index]?.shape else {
        throw OperatorFailure.notKnown(input: 1 + 2 * index)
      }
      let strides = PixelStrides(
        inputs: [index == 0 ? request.pixelStrides.input(0) : nil],
        output: index == stages.count - 1 ? request.pixelStrides.output : nil)
      // Each image is computed by itself.
      var single = Shape([1] + shape.dimensions.dropFirst())
      if index == stages.count - 1 {
        single = Shape([1] + (try request.output().shape.dimensions.dropFirst()))
      }
      var layer = try stage.layer(
        nodes[index], input: Shape([1] + input.shape.dimensions.dropFirst()), weight: weight, output: single,
        pixelStrides: strides)
      if index == stages.count - 1 {
        layer.conv.residual_pixel_stride =
          request.pixelStrides.input(1 + 2 * stages.count) ?? single[single.rank - 1]
      }
      layers.append(layer)
      input = OperandType(element: .float32, shape: shape)
    }
    return layers
  }

  /// As many rows of the last layer as leave what lies between in the cache.
  private func rowsPerStripe(_ layers: [PixelLayer]) -> Int {
    let height = layers[layers.count - 1].height
    var rows = 1
    while rows < height && StripeRun.bytesBetween(layers, rows: rows + 1) <= Self.stripeBytes { rows += 1 }
    return rows
  }
}

/// The stripes of one image.
private struct StripeRun {
  let layers: [PixelLayer]
  let rows: Int
  let hasBias: [Bool]
  /// The input that is added to the last layer's sum.
  let residual: Int?
  private let layerScratch: Int
  /// Where the rows of what each layer but the last gives begin in a thread's scratch memory.
  private let buffers: [Int]
  let scratchBytes: Int

  init(layers: [PixelLayer], rows: Int, hasBias: [Bool], residual: Int?, firstBuffer: Int) {
    self.layers = layers
    self.rows = rows
    self.hasBias = hasBias
    self.residual = residual
    layerScratch = firstBuffer
    var offset = firstBuffer + Self.padded(layers.reduce(0) { max($0, $1.scratchBytes) })
    var buffers: [Int] = []
    for (index, count) in Self.rowsBetween(layers, rows: rows).enumerated() {
      buffers.append(offset)
      offset += Self.padded(count * Self.rowFloats(layers[index]) * MemoryLayout<Float>.stride)
    }
    self.buffers = buffers
    scratchBytes = offset
  }

  private static func padded(_ bytes: Int) -> Int { (bytes + 63) & ~63 }

  static func rowFloats(_ layer: PixelLayer) -> Int {
    layer.shape.window.output[2] * layer.conv.y_pixel_stride
  }

  /// The most rows of each layer's output but the last's that `rows` rows of the last one's read.
  static func rowsBetween(_ layers: [PixelLayer], rows: Int) -> [Int] {
    var counts: [Int] = []
    var needed = rows
    for layer in layers.dropFirst().reversed() {
      let window = layer.shape.window
      let reach = (needed - 1) * window.strides[1] + (window.kernel[1] - 1) * window.dilations[1] + 1
      needed = min(reach, window.input[1])
      counts.insert(needed, at: 0)
    }
    return counts
  }

  static func bytesBetween(_ layers: [PixelLayer], rows: Int) -> Int {
    zip(rowsBetween(layers, rows: rows), layers).reduce(0) { $0 + $1.0 * rowFloats($1.1) * 4 }
  }

  /// Rows `rows` of the last layer's output.
  func run(_ operands: KernelOperands, image: Int, rows: Range<Int>) {
    // The rows that each buffer holds.
    let held = operands.threadScratch.assumingMemoryBound(to: Range<Int>.self)
    held.initialize(repeating: 0..<0, count: buffers.count)
    var first = rows.lowerBound
    while first < rows.upperBound {
      let last = min(first + self.rows, rows.upperBound)
      compute(layers.count - 1, first..<last, operands, image, held)
      first = last
    }
  }

  /// Rows `rows` of what layer `index` gives, after what it reads.
  private func compute(
    _ index: Int, _ rows: Range<Int>, _ operands: KernelOperands, _ image: Int,
    _ held: UnsafeMutablePointer<Range<Int>>
  ) {
    let layer = layers[index]
    var conv = layer.conv
    if index == 0 {
      conv.x = operands.input(0) + image * conv.x_image_stride
    } else {
      let wanted = layer.rowsUnder(rows)
      fill(index - 1, wanted, operands, image, held)
      conv.x = UnsafePointer(start(index - 1, operands, held))
    }
    if hasBias[index] { conv.epilogue.column_bias = operands.input(2 + 2 * index) }
    if index == layers.count - 1 {
      let pixels = image * layer.shape.window.outputSize
      conv.y = operands.output() + pixels * conv.y_pixel_stride
      if let residual { conv.residual = operands.input(residual) + pixels * conv.residual_pixel_stride }
    } else {
      conv.y = start(index, operands, held)
    }
    layer.run(
      &conv, scratch: operands.threadScratch + layerScratch, lines: rows, panels: 0..<layer.plan.panels)
  }

  /// Makes buffer `index` hold rows `wanted`: keeps those that it has, and computes the others.
  private func fill(
    _ index: Int, _ wanted: Range<Int>, _ operands: KernelOperands, _ image: Int,
    _ held: UnsafeMutablePointer<Range<Int>>
  ) {
    if wanted.isEmpty { return }
    let old = held[index]
    let begin = wanted.lowerBound
    let kept = begin..<(old.contains(begin) ? min(old.upperBound, wanted.upperBound) : begin)
    if !kept.isEmpty && begin > old.lowerBound {
      let size = Self.rowFloats(layers[index]) * MemoryLayout<Float>.stride
      let buffer = operands.threadScratch + buffers[index]
      memmove(buffer, buffer + (begin - old.lowerBound) * size, kept.count * size)
    }
    held[index] = wanted
    let missing = kept.upperBound..<wanted.upperBound
    if !missing.isEmpty { compute(index, missing, operands, image, held) }
  }

  /// Where row 0 would lie in buffer `index`.
  private func start(
    _ index: Int, _ operands: KernelOperands, _ held: UnsafeMutablePointer<Range<Int>>
  ) -> UnsafeMutablePointer<Float> {
    (operands.threadScratch + buffers[index]).assumingMemoryBound(to: Float.self)
      - held[index].lowerBound * Self.rowFloats(layers[index])
  }
}
