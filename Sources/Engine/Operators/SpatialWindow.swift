import CKernels
import GraphIR
import Tensors

/// One number for each of depth, height and width. It lies in place, so that loops over windows read no other memory.
struct PerAxis: Sendable, RandomAccessCollection {
  var depth: Int
  var height: Int
  var width: Int

  /// - Parameter values: of the last axes; `fallback` stands for those that are missing.
  init(_ values: [Int], missing fallback: Int) {
    let all = Array(repeating: fallback, count: Swift.max(0, 3 - values.count)) + values
    (depth, height, width) = (all[0], all[1], all[2])
  }

  var startIndex: Int { 0 }
  var endIndex: Int { 3 }

  subscript(axis: Int) -> Int {
    @inline(__always) get { axis == 0 ? depth : axis == 1 ? height : width }
  }
}

/// A window over up to three spatial axes with all numbers resolved for one input shape. Missing axes lead
/// with extent 1, so that a 1-D signal is an image of one row.
struct SpatialWindow: Sendable {
  static let maximumRank = 3

  let rank: Int
  /// Depth, height, width of the input, the kernel and the output.
  let input: PerAxis
  let kernel: PerAxis
  let output: PerAxis
  let strides: PerAxis
  let dilations: PerAxis
  let padBegin: PerAxis
  let padEnd: PerAxis

  /// - Parameters:
  ///   - input: `[batch, channels, d1 …]`
  ///   - output: of the same rank.
  /// - Throws: `OperatorFailure.unsupported` for more than three spatial axes.
  init(_ window: SlidingWindow, input: Shape, output: Shape) throws(OperatorFailure) {
    try self.init(window, input: input, output: output) { window.pads($0, extent: input[$0 + 2]) }
  }

  /// - Parameter pads: of a spatial axis.
  private init(
    _ window: SlidingWindow, input: Shape, output: Shape, pads: (Int) -> (begin: Int, end: Int)
  ) throws(OperatorFailure) {
    rank = window.spatialRank
    if rank > Self.maximumRank {
      throw .unsupported("\(rank) spatial axes; at most \(Self.maximumRank) are supported")
    }
    let pads = (0..<rank).map(pads)
    self.input = PerAxis(Array(input.dimensions.dropFirst(2)), missing: 1)
    self.output = PerAxis(Array(output.dimensions.dropFirst(2)), missing: 1)
    kernel = PerAxis(window.kernel, missing: 1)
    strides = PerAxis(window.strides, missing: 1)
    dilations = PerAxis(window.dilations, missing: 1)
    padBegin = PerAxis(pads.map(\.begin), missing: 0)
    padEnd = PerAxis(pads.map(\.end), missing: 0)
  }

  /// The window of the convolution that `ConvTranspose` is the transpose of: its output reads what the operator writes.
  ///
  /// - Parameters:
  ///   - read: the operator's input, `[batch, channels, d1 …]`
  ///   - written: its output, of the same rank.
  /// - Throws: `OperatorFailure.unsupported` for more than three spatial axes.
  init(
    transposed attributes: ConvTransposeAttributes, read: Shape, written: Shape
  ) throws(OperatorFailure) {
    try self.init(attributes.window, input: written, output: read) {
      attributes.pads($0, extent: read[$0 + 2])
    }
  }

  var inputSize: Int { input.reduce(1, *) }
  var outputSize: Int { output.reduce(1, *) }
  var taps: Int { kernel.reduce(1, *) }
  var isFlat: Bool { rank <= 2 }

  /// True when every output pixel reads just the input pixel at its own place.
  var isPointwise: Bool {
    taps == 1 && strides.allSatisfy { $0 == 1 } && padBegin.allSatisfy { $0 == 0 }
      && padEnd.allSatisfy { $0 == 0 }
  }

  /// True when the windows of a flat image cover its rows without overlap, gap or padding: planes one below the
  /// other are one tall image then.
  var rowsTile: Bool {
    isFlat && strides[1] == kernel[1] && dilations[1] == 1 && padBegin[1] == 0
      && output[1] * kernel[1] == input[1]
  }

  /// For the 2-D kernels.
  func window2d(channels: Int) -> adze_window2d {
    adze_window2d(
      channels: channels, height: input[1], width: input[2], kernel_height: kernel[1],
      kernel_width: kernel[2],
      stride_height: strides[1], stride_width: strides[2], dilation_height: dilations[1],
      dilation_width: dilations[2], pad_top: padBegin[1], pad_left: padBegin[2], output_height: output[1],
      output_width: output[2])
  }

  /// The input position along `axis` that tap `tap` of output position `position` reads; may lie outside.
  @inline(__always)
  func position(_ axis: Int, _ position: Int, _ tap: Int) -> Int {
    position * strides[axis] - padBegin[axis] + tap * dilations[axis]
  }

  /// What each tap of each channel reads for the output's rows `lines` (of all depths, one after the other): one
  /// row of `columns` for each tap.
  func patches(
    of image: UnsafePointer<UInt8>, channels: Int, lines: Range<Int>, padding: UInt8,
    _ columns: UnsafeMutablePointer<UInt8>
  ) {
    var target = columns
    for channel in 0..<channels {
      for tap in 0..<taps {
        let column = tap % kernel[2]
        let row = tap / kernel[2] % kernel[1]
        let slice = tap / (kernel[2] * kernel[1])
        let inside = inside(2, tap: column)
        for line in lines {
          let z = position(0, line / output[1], slice)
          let y = position(1, line % output[1], row)
          target.update(repeating: padding, count: output[2])
          if z >= 0 && z < input[0] && y >= 0 && y < input[1] {
            let source = image + ((channel * input[0] + z) * input[1] + y) * input[2]
            for x in inside { target[x] = source[position(2, x, column)] }
          }
          target += output[2]
        }
      }
    }
  }

  /// Output positions along `axis` for which `tap` reads inside the input.
  func inside(_ axis: Int, tap: Int) -> Range<Int> {
    let offset = tap * dilations[axis] - padBegin[axis]
    let stride = strides[axis]
    let first = offset >= 0 ? 0 : (-offset + stride - 1) / stride
    let last = offset >= input[axis] ? 0 : (input[axis] - offset + stride - 1) / stride
    let end = min(last, output[axis])
    return min(first, end)..<end
  }
}
