import Testing

@testable import Compression

@Suite struct PatchRowTests {
  @Test func rowsByHand() throws {
    // One channel of 3×3, a 2×2 kernel, padded by a row above and a column on the right.
    let patches = try #require(
      PatchRows(
        channels: 1, groups: 1, extents: [3, 3], kernel: [2, 2], strides: [2, 2], dilations: [1, 1],
        pads: [1, 0, 0, 1]))
    #expect(patches.positions == 4 && patches.depth == 4)
    let image: [Float] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    #expect(
      (0..<4).map { row(patches, $0, 0, image) } == [
        [0, 0, 1, 2], [0, 0, 3, 0], [4, 5, 7, 8], [6, 0, 9, 0],
      ])
  }

  /// Every element against the definition, for groups, dilations, strides and one to three axes.
  @Test(
    arguments: [
      (1, [7], [3], [2], [2], [1, 2]), (2, [5, 4], [3, 2], [1, 2], [2, 1], [2, 0, 1, 1]),
      (4, [3, 4, 2], [1, 3, 2], [2, 1, 1], [1, 1, 1], [0, 1, 0, 0, 1, 1]),
      (2, [1, 1], [1, 1], [3, 3], [1, 1], [0, 0, 0, 0]),
    ] as [(Int, [Int], [Int], [Int], [Int], [Int])])
  func rowsAreThoseOfTheDefinition(
    groups: Int, extents: [Int], kernel: [Int], strides: [Int], dilations: [Int], pads: [Int]
  ) throws {
    let patches = try #require(
      PatchRows(
        channels: 4, groups: groups, extents: extents, kernel: kernel, strides: strides, dilations: dilations,
        pads: pads))
    let image = TestModels.numbers(patches.imageCount, seed: 1)
    let taps = kernel.reduce(1, *)
    let outputs = extents.indices.map { axis in
      (extents[axis] + pads[axis] + pads[extents.count + axis] - dilations[axis] * (kernel[axis] - 1) - 1)
        / strides[axis] + 1
    }
    #expect(patches.positions == outputs.reduce(1, *))
    for position in 0..<patches.positions {
      for group in 0..<groups {
        let found = row(patches, position, group, image)
        for (index, value) in found.enumerated() {
          var (output, tap, offset, scale) = (position, index % taps, 0, 1)
          var isInside = true
          for axis in extents.indices.reversed() {
            let place =
              output % outputs[axis] * strides[axis] + tap % kernel[axis] * dilations[axis] - pads[axis]
            (output, tap) = (output / outputs[axis], tap / kernel[axis])
            isInside = isInside && (0..<extents[axis]).contains(place)
            (offset, scale) = (offset + place * scale, scale * extents[axis])
          }
          let channel = group * 4 / groups + index / taps
          #expect(value == (isInside ? image[channel * scale + offset] : 0))
        }
      }
    }
  }

  @Test(
    arguments: [
      (3, 2, [4], [2], [1], [0, 0]), (2, 1, [4], [5], [1], [0, 0]), (2, 1, [4], [2], [0], [0, 0]),
      (2, 0, [4], [2], [1], [0, 0]), (2, 1, [4], [2], [1], [0]), (2, 1, [4], [2], [1], [-1, 0]),
    ] as [(Int, Int, [Int], [Int], [Int], [Int])]) func numbersThatDoNotFitAreRefused(
      channels: Int, groups: Int, extents: [Int], kernel: [Int], strides: [Int], pads: [Int]
    )
  {
    #expect(
      PatchRows(
        channels: channels, groups: groups, extents: extents, kernel: kernel, strides: strides,
        dilations: [1],
        pads: pads) == nil)
  }

  private func row(_ patches: PatchRows, _ position: Int, _ group: Int, _ image: [Float]) -> [Float] {
    var row = [Float](repeating: .nan, count: patches.depth)
    row.withUnsafeMutableBufferPointer { row in
      image.withUnsafeBufferPointer { patches.fill(row, position: position, group: group, $0) }
    }
    return row
  }
}
