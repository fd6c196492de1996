import CKernels
import Tensors

/// The vector kernels for this CPU.
enum Kernels {
  // The table is filled once and never written again.
  nonisolated(unsafe) static let table: UnsafePointer<adze_kernels> = adze_kernels_get()

  static var current: adze_kernels { table.pointee }

  /// A kernel's name for profiles: with the instruction set it was compiled for.
  static func name(_ kernel: String) -> String { kernel + " " + CPU.isa }
}

/// A function over contiguous floats that a finished result goes through, as a node of its own or at the end
/// of another operator's kernel.
struct Activation: Sendable {
  typealias Function = adze_unary_f32_fn

  enum Kind: Sendable {
    case clamp(minimum: Float, maximum: Float)
    case function(
      @convention(c) (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int, Float, Float) -> Void)
  }

  let kind: Kind
  var alpha: Float = 0
  var beta: Float = 0

  func apply(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int) {
    switch kind {
    case .clamp(let minimum, let maximum): Kernels.current.clip_f32(x, y, count, minimum, maximum)
    case .function(let function): function(x, y, count, alpha, beta)
    }
  }
}

extension adze_epilogue_f32 {
  static var none: adze_epilogue_f32 {
    adze_epilogue_f32(
      column_bias: nil, row_bias: nil, clamps: false, minimum: 0, maximum: 0, activation: nil, alpha: 0,
      beta: 0)
  }

  init(_ activation: Activation?) {
    self = .none
    switch activation?.kind {
    case .clamp(let minimum, let maximum)?:
      clamps = true
      self.minimum = minimum
      self.maximum = maximum
    case .function(let function)?:
      self.activation = function
      alpha = activation?.alpha ?? 0
      beta = activation?.beta ?? 0
    case nil: break
    }
  }
}
