import CKernels
import Tensors

extension KernelCase {
  private static let elements = 16_384

  private typealias Unary = (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int, Float, Float) -> Void

  /// Kernels over contiguous elements, which lie in the second cache.
  static var rows: [KernelCase] {
    let table = Kernels.current
    let unary: [(String, Unary)] = [
      ("relu_f32", table.relu_f32), ("exp_f32", table.exp_f32), ("erf_f32", table.erf_f32),
      ("tanh_f32", table.tanh_f32), ("sigmoid_f32", table.sigmoid_f32), ("gelu_f32", table.gelu_f32),
    ]
    return [binary("add_f32", table.add_f32)] + unary.map { Self.unary($0, $1) } + normalizations(table)
      + conversions(table)
  }

  private static func unary(_ name: String, _ kernel: @escaping Unary) -> KernelCase {
    KernelCase(name, "\(elements)", NodeWork(bytes: elements * 8)) {
      let x = try BenchmarkData.floats(elements)
      let y = try AlignedBuffer(byteCount: elements * 4)
      return { kernel(x.floats, y.floats, elements, 0.5, 2) }
    }
  }

  private static func binary(_ name: String, _ kernel: @escaping adze_binary_f32_fn) -> KernelCase {
    KernelCase(name, "\(elements)", NodeWork(bytes: elements * 12)) {
      let x = try BenchmarkData.floats(elements)
      let y = try AlignedBuffer(byteCount: elements * 4)
      return { kernel(1, elements, x.floats, 0, 1, x.floats, 0, 1, y.floats, 0) }
    }
  }

  private static func normalizations(_ table: adze_kernels) -> [KernelCase] {
    let width = 768, count = 16
    return [
      KernelCase("softmax_f32", "128 rows of 128", NodeWork(bytes: elements * 8)) {
        let x = try BenchmarkData.floats(elements)
        let y = try AlignedBuffer(byteCount: elements * 4)
        return {
          for row in 0..<128 { table.softmax_f32(x.floats + row * 128, y.floats + row * 128, 128) }
        }
      },
      KernelCase("layer_norm_f32", "\(count) rows of \(width)", NodeWork(bytes: count * width * 8)) {
        let x = try BenchmarkData.floats(count * width)
        let y = try AlignedBuffer(byteCount: count * width * 4)
        return {
          for row in 0..<count {
            let at = row * width
            table.layer_norm_f32(x.floats + at, x.floats, x.floats, y.floats + at, width, 1e-5, nil, nil)
          }
        }
      },
    ]
  }

  private static func conversions(_ table: adze_kernels) -> [KernelCase] {
    [
      KernelCase("quantize_u8", "\(elements)", NodeWork(bytes: elements * 5)) {
        let x = try BenchmarkData.floats(elements)
        let y = try AlignedBuffer(byteCount: elements)
        let bytes = y.bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
        return { withExtendedLifetime(y) { table.quantize_u8(x.floats, bytes, elements, 0.01, 128) } }
      },
      KernelCase("dequantize_u8", "\(elements)", NodeWork(bytes: elements * 5)) {
        let x = try BenchmarkData.bytes(elements)
        let y = try AlignedBuffer(byteCount: elements * 4)
        let bytes = x.bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
        return { withExtendedLifetime(x) { table.dequantize_u8(bytes, y.floats, elements, 0.01, 128) } }
      },
      KernelCase("transpose_32", "128 x 128", NodeWork(bytes: elements * 8)) {
        let x = try BenchmarkData.floats(elements)
        let y = try AlignedBuffer(byteCount: elements * 4)
        return {
          table.transpose_32(x.bytes.baseAddress!, 128, y.bytes.baseAddress!, 128, 128, 128)
        }
      },
    ]
  }
}
