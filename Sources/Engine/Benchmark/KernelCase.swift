import CKernels
import Tensors

/// One kernel of this CPU's table at one size, to be timed on one thread.
public struct KernelCase {
  /// With its instruction set: `gemm_f32 avx2`.
  public let kernel: String
  /// Sizes, and what the weights or the layer are like.
  public let size: String
  public let work: NodeWork
  /// Makes operands, and what runs the kernel on them once.
  private let make: () throws -> () -> Void

  init(_ kernel: String, _ size: String, _ work: NodeWork, make: @escaping () throws -> () -> Void) {
    self.kernel = Kernels.name(kernel)
    self.size = size
    self.work = work
    self.make = make
  }

  /// Every case, kernels of one kind beside each other.
  public static var all: [KernelCase] { products + convolutions + rows }

  /// Nanoseconds of one call: the best of several rounds of about 4 ms, with operands in cache as far as they fit.
  /// - Throws: `TensorError.outOfMemory`.
  public func measured() throws -> Double {
    let run = try make()
    let once = PeakRates.bestTime(rounds: 1, run)
    let repeats = max(1, Int(4e6 / once))
    return PeakRates.bestTime(rounds: 7) { for _ in 0..<repeats { run() } } / Double(repeats)
  }
}

/// Operands of benchmarks: the same numbers in every run.
enum BenchmarkData {
  /// Floats between -1 and 1.
  static func floats(_ count: Int) throws -> AlignedBuffer {
    let buffer = try AlignedBuffer(byteCount: count * 4)
    var state: UInt32 = 1
    for index in 0..<count { buffer.floats[index] = next(&state) }
    return buffer
  }

  /// Bytes; as int8 they are spread about zero like trained weights.
  static func bytes(_ count: Int) throws -> AlignedBuffer {
    let buffer = try AlignedBuffer(byteCount: count)
    var state: UInt32 = 1
    for index in 0..<count {
      let sum = (0..<4).reduce(Float(0)) { sum, _ in sum + next(&state) }
      buffer.bytes[index] = UInt8(bitPattern: Int8(sum * 31))
    }
    return buffer
  }

  private static func next(_ state: inout UInt32) -> Float {
    state = state &* 1_664_525 &+ 1_013_904_223
    return Float(Int32(bitPattern: state) >> 8) * 0x1p-23
  }
}
