import CKernels
import Tensors

/// A layer of a well-known network, NHWC, batch 1.
private struct ConvolutionLayer {
  let name: String
  let channels: Int
  let size: Int
  let filters: Int
  let window: Int
  var stride = 1
  var groups = 1
  let algorithm: adze_conv2d_algorithm

  static let all = [
    ConvolutionLayer(
      name: "7 x 7 stride 2, 3 > 64, 224", channels: 3, size: 224, filters: 64, window: 7, stride: 2,
      algorithm: ADZE_CONV2D_DIRECT),
    ConvolutionLayer(
      name: "1 x 1, 256 > 64, 56", channels: 256, size: 56, filters: 64, window: 1,
      algorithm: ADZE_CONV2D_DIRECT),
    ConvolutionLayer(
      name: "3 x 3, 128 > 128, 28", channels: 128, size: 28, filters: 128, window: 3,
      algorithm: ADZE_CONV2D_DIRECT),
    ConvolutionLayer(
      name: "3 x 3, 128 > 128, 28", channels: 128, size: 28, filters: 128, window: 3,
      algorithm: ADZE_CONV2D_WINOGRAD),
    ConvolutionLayer(
      name: "3 x 3, 256 > 256, 14", channels: 256, size: 14, filters: 256, window: 3,
      algorithm: ADZE_CONV2D_WINOGRAD),
    ConvolutionLayer(
      name: "3 x 3, 144 groups, 56", channels: 144, size: 56, filters: 144, window: 3, groups: 144,
      algorithm: ADZE_CONV2D_DEPTHWISE),
  ]

  var outputSize: Int { (size - 1) / stride + 1 }
  var weights: Int { filters * channels / groups * window * window }
  var inputs: Int { channels * size * size }
  var outputs: Int { filters * outputSize * outputSize }

  var kernel: String {
    switch algorithm {
    case ADZE_CONV2D_WINOGRAD: "conv2d_winograd_f32"
    case ADZE_CONV2D_DEPTHWISE: "conv2d_depthwise_f32"
    default: "conv2d_f32"
    }
  }

  var work: NodeWork {
    NodeWork(
      multiplyAccumulates: outputs * (weights / filters), bytes: (inputs + outputs + weights) * 4)
  }

  func description(x: AlignedBuffer, packed: UnsafePointer<Float>, y: AlignedBuffer) -> adze_conv2d_f32 {
    let shape = adze_window2d(
      channels: channels / groups, height: size, width: size, kernel_height: window, kernel_width: window,
      stride_height: stride, stride_width: stride, dilation_height: 1, dilation_width: 1,
      pad_top: window / 2, pad_left: window / 2, output_height: outputSize, output_width: outputSize)
    return adze_conv2d_f32(
      window: shape, batch: 1, groups: groups, filters: filters / groups, x: x.floats,
      x_image_stride: inputs, x_pixel_stride: channels, x_channel_stride: 1, x_channels: nil,
      weights_packed: packed,
      y: y.floats, y_pixel_stride: filters, residual: nil, residual_pixel_stride: 0, epilogue: .none)
  }
}

extension KernelCase {
  static var convolutions: [KernelCase] {
    ConvolutionLayer.all.map { layer in
      KernelCase(layer.kernel, layer.name, layer.work) {
        let x = try BenchmarkData.floats(layer.inputs)
        let weights = try BenchmarkData.floats(layer.weights)
        let y = try AlignedBuffer(byteCount: layer.outputs * 4)
        var conv = layer.description(x: x, packed: weights.floats, y: y)
        let plan = adze_conv2d_f32_plan(Kernels.table, &conv, layer.algorithm)
        guard let run = plan.run, let pack = plan.pack else {
          throw EngineError.unsupported(node: layer.kernel, op: "Conv", reason: "there is no plan for it")
        }
        let packed = try AlignedBuffer(byteCount: plan.packed_count * 4)
        let scratch = try AlignedBuffer(byteCount: plan.scratch_count * 4)
        pack(&conv, weights.floats, packed.floats, 0, plan.panels)
        conv.weights_packed = UnsafePointer(packed.floats)
        return {
          withExtendedLifetime((x, y, packed)) {
            run(&conv, scratch.floats, 0, plan.lines, 0, plan.panels)
          }
        }
      }
    }
  }
}
