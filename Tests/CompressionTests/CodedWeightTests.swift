import Tensors
import Testing

@testable import Compression

@Suite struct CodedWeightTests {
  private static let types: [ElementType] = [.int8, .uint8, .int4, .uint4, .int2, .uint2]

  @Test(arguments: types, [0, 1, 2, 3, 4, 5, 17])
  func codesArePackedLowestBitsFirst(type: ElementType, count: Int) throws {
    let width = type.bitWidth
    let lowest: Int32 = type.isSignedInteger ? -(1 << Int32(width - 1)) : 0
    let codes = (0..<count).map { lowest + Int32($0 * 5 % (1 << width)) }
    let tensor = try Tensor(codes: codes, as: type, shape: [count])
    #expect(tensor.integerCodes == codes)
    var expected = [UInt8](repeating: 0, count: (count * width + 7) / 8)
    for (index, code) in codes.enumerated() {
      for bit in 0..<width where code >> Int32(bit) & 1 == 1 {
        expected[(index * width + bit) / 8] |= 1 << UInt8((index * width + bit) % 8)
      }
    }
    #expect(tensor.withBytes { Array($0) } == expected)
  }

  /// The bytes that `onnx.helper.make_tensor` gives for the same numbers.
  @Test func bytesAreThoseOfONNX() throws {
    let four = try Tensor(codes: [-8, 7, -1, 0, 3], as: .int4, shape: [5])
    #expect(four.withBytes { Array($0) } == [0x78, 0x0F, 0x03])
    let two = try Tensor(codes: [-2, -1, 0, 1, 1], as: .int2, shape: [5])
    #expect(two.withBytes { Array($0) } == [0x4E, 0x01])
    #expect(throws: TensorError.elementCountMismatch(expected: 4, actual: 3)) {
      try Tensor(codes: [0, 1, 2], as: .int4, shape: [2, 2])
    }
    #expect(try Tensor(shape: [1], [1 as Float]).integerCodes == nil)
  }

  /// DequantizeLinear written out: the scale's index on each axis is the element's, divided by the block.
  @Test(arguments: [
    (Shape([33, 5]), 1, 0), (Shape([5, 33]), 0, 1), (Shape([64, 1]), 1, 0), (Shape([2, 35, 3]), 2, 1),
    (Shape([6, 33, 1, 1]), 0, 1),
  ])
  func decodingFollowsDequantizeLinear(shape: Shape, channel: Int, depth: Int) throws {
    let codes = (0..<shape.elementCount).map { Int32($0 * 7 % 16) - 8 }
    for groups in [ScaleGroups.tensor, .channel, .blocks(32), .blocks(16)] {
      // The shape of the scales with as many axes as the weight has, blocks before channels.
      let stack = shape.elementCount / (shape[channel] * shape[depth])
      let blocks = groups.blocks(depth: shape[depth])
      let count =
        switch groups {
        case .tensor: 1
        case .channel: shape[channel]
        case .blocks: stack * blocks * shape[channel]
        }
      let scales = (0..<count).map { GridScale(scale: Float($0 + 1), zeroPoint: Int32($0 % 3)) }
      let coded = CodedWeight(
        storage: .int4, codes: try Tensor(codes: codes, as: .int4, shape: shape), groups: groups,
        scales: scales)
      let values = try coded.decoded(WeightAxes(channel: channel, depth: depth)).array(of: Float.self)
      for index in codes.indices {
        let place = shape.strides.indices.map { index / shape.strides[$0] % shape[$0] }
        let group: Int
        switch groups {
        case .tensor: group = 0
        case .channel: group = place[channel]
        case .blocks(let size):
          let matrix = shape.rank == 3 ? place[0] : 0
          group = (matrix * blocks + place[depth] / size) * shape[channel] + place[channel]
        }
        #expect(values[index] == Float(codes[index] - Int32(group % 3)) * Float(group + 1))
      }
    }
  }

  @Test func emptyWeightsDecode() throws {
    for shape in [Shape([0, 5]), [5, 0]] {
      for groups in [ScaleGroups.tensor, .channel, .blocks(4)] {
        let count = groups.count(depth: shape[0], columns: shape[1])
        let coded = CodedWeight(
          storage: .int8, codes: try Tensor(codes: [], as: .int8, shape: shape), groups: groups,
          scales: [GridScale](repeating: GridScale(scale: 1), count: count))
        #expect(try coded.decoded(WeightAxes(channel: 1, depth: 0)).shape == shape)
      }
    }
  }

  @Test func levelsAreLookedUp() throws {
    let coded = CodedWeight(
      storage: .uint4, codes: try Tensor(codes: [2, 0, 1, 9], as: .uint4, shape: [2, 2]), groups: .tensor,
      scales: [GridScale(scale: 1, levels: [-1, 0, 5])])
    let values = try coded.decoded(WeightAxes(channel: 1)).array(of: Float.self)
    #expect(values == [5, -1, 0, 5])
    #expect(coded.byteCount == 2 + 12)
  }

  /// Storage, groups, zero points, bytes of a 33 × 6 matrix.
  private static let sizes: [(ElementType, ScaleGroups, Bool, Int)] = [
    (.int8, .tensor, false, 198 + 4), (.int8, .channel, false, 198 + 24),
    (.uint8, .channel, true, 198 + 24 + 6), (.int4, .blocks(32), false, 99 + 48),
    (.uint4, .blocks(16), true, 99 + 72 + 9), (.int2, .channel, false, 50 + 24),
  ]

  @Test(arguments: sizes)
  func sizesAreThoseOfTheTensors(type: ElementType, groups: ScaleGroups, hasZeroPoints: Bool, bytes: Int)
    throws
  {
    let scale = GridScale(scale: 1, zeroPoint: hasZeroPoints ? 1 : 0)
    let count = groups.count(depth: 33, columns: 6)
    let coded = CodedWeight(
      storage: type, codes: try Tensor(type: type, shape: [33, 6]), groups: groups,
      scales: [GridScale](repeating: scale, count: count))
    #expect(coded.byteCount == bytes)
    #expect(try coded.scaleTensor([count]).byteCount == 4 * count)
    #expect(
      try coded.zeroPointTensor([count]).integerCodes == [Int32](repeating: scale.zeroPoint, count: count))
    #expect(throws: TensorError.elementCountMismatch(expected: count + 1, actual: count)) {
      try coded.scaleTensor([count + 1])
    }
  }

  // MARK: Floats

  @Test func shortFloatsAreNearest() throws {
    let values =
      TestModels.numbers(300, seed: 12).map { $0 * 10 } + [
        0, -0.0, 1e-7, 6.0e-8, 65504, 70000, -1e30, 3.4e38,
      ]
    let weight = try Tensor(shape: [values.count, 1], values)
    let half = try FloatStorage.fp16.code(weight, channelAxis: nil)
    #expect(half.storage == .float16 && half.byteCount == 2 * values.count)
    for (value, restored) in zip(values, try half.decoded(WeightAxes(channel: 1)).array(of: Float.self)) {
      #expect(restored == Float(Float16(min(max(value, -65504), 65504))))
    }
    let brain = try FloatStorage.bf16.code(weight, channelAxis: 1)
    #expect(brain.byteCount == 2 * values.count)
    for (value, restored) in zip(values, try brain.decoded(WeightAxes(channel: 1)).array(of: Float.self)) {
      #expect(restored.isFinite)
      #expect(restored.bitPattern & 0xFFFF == 0)
      #expect(abs(restored - value) <= abs(value) / 256)
    }
  }

  @Test(arguments: [0, 1, nil] as [Int?]) func float8HasAScaleForEachChannel(axis: Int?) throws {
    let numbers = LowPrecision.table(.float8e4m3fn)!.filter { $0.isFinite }
    let values = TestModels.numbers(60, seed: 13).enumerated().map { $1 * Float($0 % 5 + 1) / 100 }
    let coded = try FloatStorage.fp8.code(try Tensor(shape: [12, 5], values), channelAxis: axis)
    #expect(coded.storage == .float8e4m3fn)
    #expect(coded.scales.count == [12, 5][safe: axis] ?? 1)
    let restored = try coded.decoded(WeightAxes(channel: axis ?? 1)).array(of: Float.self)
    for (index, value) in values.enumerated() {
      let channel = axis == nil ? 0 : axis == 0 ? index / 5 : index % 5
      let members = values.indices.filter { axis == nil || (axis == 0 ? $0 / 5 : $0 % 5) == channel }
      let scale = members.map { abs(values[$0]) }.max()! / 448
      #expect(coded.scales[channel].scale == scale)
      let nearest = numbers.map { abs($0 - value / scale) }.min()!
      #expect(abs(restored[index] / scale - value / scale) <= nearest * 1.0001 + 1e-4)
    }
  }

  @Test func shortFloatsOfSpecialValues() throws {
    let weight = try Tensor(shape: [2, 2], [.nan, .infinity, 0, -.infinity] as [Float])
    let expected: [FloatStorage: Float] = [.fp16: 65504, .bf16: Float(bitPattern: 0x7F7F_0000), .fp8: 448]
    for storage in FloatStorage.allCases {
      let restored = try storage.code(weight, channelAxis: 1).decoded(WeightAxes(channel: 1)).array(
        of: Float.self)
      #expect(restored[0].isNaN)
      #expect(restored[1] == expected[storage])
      #expect(restored[2] == 0)
      #expect(restored[3] == -expected[storage]!)
      let empty = try storage.code(try Tensor(type: .float32, shape: [0, 3]), channelAxis: 1)
      #expect(try empty.decoded(WeightAxes(channel: 1)).elementCount == 0)
    }
    #expect(throws: TensorError.typeMismatch(expected: .float8e4m3fn, actual: .float32)) {
      try FloatStorage.numbers(weight)
    }
  }
}

extension Array {
  fileprivate subscript(safe index: Int?) -> Element? { index.map { self[$0] } }
}
