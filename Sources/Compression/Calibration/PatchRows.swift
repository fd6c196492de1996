/// The inputs that a convolution multiplies with its weight, as rows of a matrix `[positions, depth]` (im2col), for any
/// number of spatial axes.
///
/// Element `channel · taps + tap` of a row is the input of that channel under that element of the kernel, 0 on the
/// padded border; channels count within a group.
struct PatchRows: Sendable {
  /// Input channels of one group.
  let channels: Int
  let groups: Int
  /// Output positions of one image.
  let positions: Int
  private let extents: [Int]
  private let outputs: [Int]
  private let strides: [Int]
  private let padding: [Int]
  /// Where each element of the kernel lies, in input elements along each axis.
  private let taps: [[Int]]

  /// - Parameters:
  ///   - channels: of the whole input; a multiple of `groups`.
  ///   - extents, kernel, strides, dilations: one for each spatial axis.
  ///   - pads: ONNX's order, all begins, then all ends.
  /// - Returns: nil when the numbers do not fit each other or no kernel fits the input.
  init?(
    channels: Int, groups: Int, extents: [Int], kernel: [Int], strides: [Int], dilations: [Int], pads: [Int]
  ) {
    let rank = extents.count
    guard groups > 0, channels > 0, channels % groups == 0, kernel.count == rank, strides.count == rank,
      dilations.count == rank, pads.count == 2 * rank, (kernel + strides + dilations).allSatisfy({ $0 > 0 }),
      (extents + pads).allSatisfy({ $0 >= 0 })
    else { return nil }
    var outputs: [Int] = []
    for axis in 0..<rank {
      let room = extents[axis] + pads[axis] + pads[rank + axis] - (kernel[axis] - 1) * dilations[axis] - 1
      if room < 0 { return nil }
      outputs.append(room / strides[axis] + 1)
    }
    self.channels = channels / groups
    self.groups = groups
    self.extents = extents
    self.outputs = outputs
    self.strides = strides
    self.padding = Array(pads.prefix(rank))
    self.positions = outputs.reduce(1, *)
    self.taps = (0..<kernel.reduce(1, *)).map { number in
      zip(Self.coordinates(number, kernel), dilations).map { $0 * $1 }
    }
  }

  /// Elements of a row.
  var depth: Int { channels * taps.count }

  /// Elements of an image of all groups.
  var imageCount: Int { channels * groups * extents.reduce(1, *) }

  /// Writes the row of one output position.
  /// - Parameters:
  ///   - image: `[channels of all groups, extents…]`.
  ///   - row: `depth` elements.
  func fill(
    _ row: UnsafeMutableBufferPointer<Float>, position: Int, group: Int, _ image: UnsafeBufferPointer<Float>
  ) {
    precondition(row.count == depth && image.count == imageCount && position < positions && group < groups)
    let area = extents.reduce(1, *)
    let origin = Self.coordinates(position, outputs)
    for (number, tap) in taps.enumerated() {
      var offset = 0
      var isInside = true
      for axis in extents.indices {
        let place = origin[axis] * strides[axis] - padding[axis] + tap[axis]
        isInside = isInside && place >= 0 && place < extents[axis]
        offset = offset * extents[axis] + place
      }
      for channel in 0..<channels {
        row[channel * taps.count + number] =
          isInside ? image[(group * channels + channel) * area + offset] : 0
      }
    }
  }

  /// The row-major coordinates of element `number` in an array of these extents.
  private static func coordinates(_ number: Int, _ extents: [Int]) -> [Int] {
    var rest = number
    var result = extents
    for axis in extents.indices.reversed() {
      result[axis] = rest % extents[axis]
      rest /= extents[axis]
    }
    return result
  }
}
