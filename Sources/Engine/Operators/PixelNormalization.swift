import CKernels
import GraphIR
import Tensors

/// `ai.adze.ScaleShiftNHWC`: one scale and one shift for each channel of `[batch, …, channels]`, and an activation.
struct PixelScaleShift: ShapedOperator {
  let activation: Activation?

  var inPlaceInputs: [Int] { [0] }
  var writesPixels: Bool { true }
  func readsPixels(_ input: Int) -> Bool { input == 0 }

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    if input.elementCount == 0 { return .nothing }
    let channels = input[input.rank - 1]
    let (table, activation) = (Kernels.current, activation)
    let pixel = request.pixelStrides.input(0) ?? channels
    let outputPixel = request.pixelStrides.output ?? channels
    let epilogue = adze_epilogue_f32(activation)
    return Kernel(
      Kernels.name("scale_shift_nhwc_f32"), units: input.elementCount / channels, costPerUnit: channels / 4,
      threads: request.threads
    ) { operands, range in
      var shift = adze_scale_shift_f32(
        channels: channels, x: operands.input(0), x_pixel_stride: pixel, scale: operands.input(1),
        shift: operands.input(2), y: operands.output(), y_pixel_stride: outputPixel, clamps: epilogue.clamps,
        minimum: epilogue.minimum, maximum: epilogue.maximum)
      table.scale_shift_nhwc_f32(&shift, range.lowerBound, range.upperBound)
      if epilogue.activation == nil { return }
      for index in range {
        let y = operands.output(0, as: Float.self) + index * outputPixel
        activation?.apply(y, y, count: channels)
      }
    }
  }
}

/// `ai.adze.LRNNHWC`: a block of pixels at a time, their squares with gaps of zeros between pixels, so that the sum over
/// neighbouring channels is a sum of shifted blocks.
struct PixelResponseNormalization: ShapedOperator {
  private static let blockSize = 2048

  let attributes: LRNAttributes

  func prepare(_ request: PrepareRequest) throws -> Kernel {
    let input = try request.input(0).shape
    if input.elementCount == 0 { return .nothing }
    let channels = input[input.rank - 1]
    let pixels = input.elementCount / channels
    let gap = attributes.size - 1
    let pitch = channels + gap
    let block = max(1, Self.blockSize / pitch)
    return Kernel(
      Kernels.name("lrn_nhwc"), units: pixels, costPerUnit: channels * (attributes.size + 10) / 8,
      threads: request.threads, threadScratch: 2 * (block * pitch + gap) * MemoryLayout<Float>.stride
    ) { operands, range in
      for start in stride(from: range.lowerBound, to: range.upperBound, by: block) {
        let count = min(block, range.upperBound - start)
        normalize(operands, start: start * channels, pixels: count, channels: channels)
      }
    }
  }

  /// x / (bias + alpha / size * squares) ^ beta.
  private func normalize(_ operands: KernelOperands, start: Int, pixels: Int, channels: Int) {
    let table = Kernels.current
    let (size, gap) = (attributes.size, attributes.size - 1)
    let pitch = channels + gap
    let count = pixels * pitch
    let x: UnsafePointer<Float> = operands.input(0) + start
    let square = operands.threadScratch.assumingMemoryBound(to: Float.self)
    let sum = square + count + gap
    let before = gap / 2
    square.update(repeating: 0, count: count + gap)
    table.mul_f32(pixels, channels, x, channels, 1, x, channels, 1, square + before, pitch)
    sum.update(repeating: 0, count: count)
    for shift in 0..<size { table.add_f32(1, count, sum, 0, 1, square + shift, 0, 1, sum, 0) }
    attributes.factors(sum, count: count)
    table.mul_f32(pixels, channels, x, channels, 1, sum, pitch, 1, operands.output() + start, channels)
  }
}
